"""The plain ELBO of MMVAE's released code: one divergence per modality.

1/|O| Σ_{s∈O} E_{q_s} { log p(x_O|z) + β [log p(z) − log q_s(z)] }, q_s = q(z|x_s): the mixture bound of one modality,
drawn uniformly. With β = 1 it is below `pimvae.objectives.mmvae` by 1/|O| Σ_s KL(q_s ‖ 1/|O| Σ_t q_t), at most log |O|.
The paper states that bound; the released code has this one as its objective without importance weights.

References:
    Variational mixture-of-experts autoencoders for multi-modal deep generative models (Shi et al., 2019), code
"""

__all__ = ["mmvae_looser"]

from dataclasses import replace

from pimvae.objectives.mixture import mixture

mmvae_looser = replace(mixture, subset_law="single", aggregator="moe")
