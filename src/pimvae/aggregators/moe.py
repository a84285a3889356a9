"""Mixture of experts (MoE)."""

__all__ = ["MixtureOfExperts"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, moe_posterior
from pimvae.posteriors import Mixture


class MixtureOfExperts(Aggregator):
    r"""q(z|x_S) = 1/|S| Σ_{s∈S} N(z; μ_s, diag σ_s²), with h_s = (μ_s, log σ_s); S = ∅ is the prior N(0, I).

    References:
        Variational mixture-of-experts autoencoders for multi-modal deep generative models (Shi et al., 2019),
        https://arxiv.org/abs/1911.03393
    """

    experts = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        return moe_posterior(*expert_parameters(tokens, self.config.encoder_floor), mask, self.config.family)
