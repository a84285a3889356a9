"""The bound of MMVAE: the mixture of the uni-modal experts, its whole density in the denominator.

1/|O| Σ_{s∈O} E_{q_s} { log p(x_O|z) + β [log p(z) − log 1/|O| Σ_{t∈O} q_t(z)] }, q_s = q(z|x_s): the mixture bound at
S = O with a mixture of experts. It is the bound of the paper and of its code for several importance samples; the plain
ELBO of that code is `pimvae.objectives.mmvae_looser`, which is never above it.

References:
    Variational mixture-of-experts autoencoders for multi-modal deep generative models (Shi et al., 2019),
    https://arxiv.org/abs/1911.03393
"""

__all__ = ["mmvae"]

from dataclasses import replace

from pimvae.objectives.mixture import mixture

mmvae = replace(mixture, subset_law="full", aggregator="moe")
