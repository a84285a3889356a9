"""The bound of MoPoE: the mixture of the products of all subsets, its whole density in the denominator.

1/(2^|O| − 1) Σ_{∅≠S⊆O} E_{q_S} { log p(x_O|z) + β [log p(z) − log q(z)] }, q the uniform mixture of the products q_S
of the experts in S: the mixture bound at S = O with the aggregator `mopoe`. It is the bound of the paper; the joint
ELBO of its code is `pimvae.objectives.mopoe_looser`, which is never above it. Every product has the prior as an expert.

References:
    Generalized multimodal ELBO (Sutter et al., 2021), https://arxiv.org/abs/2105.02470
"""

__all__ = ["mopoe"]

from dataclasses import replace

from pimvae.objectives.mixture import mixture

mopoe = replace(mixture, subset_law="full", aggregator="mopoe")
