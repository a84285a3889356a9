"""The joint ELBO of MoPoE's released code: one divergence per subset.

1/(2^|O| − 1) Σ_{∅≠S⊆O} E_{q_S} { log p(x_O|z) + β [log p(z) − log q_S(z)] }, q_S the product of the experts in S: the
mixture bound of a non-empty subset, drawn uniformly, with a product of experts. The paper states the bound with the
mixture's density, `pimvae.objectives.mopoe`, and this one as its lower bound. Every product has the prior as an expert.

References:
    Generalized multimodal ELBO (Sutter et al., 2021), https://arxiv.org/abs/2105.02470, code
"""

__all__ = ["mopoe_looser"]

from dataclasses import replace

from pimvae.objectives.mixture import mixture

mopoe_looser = replace(mixture, subset_law="powerset", aggregator="poe")
