"""Hellinger aggregation: the Gaussian with the moments of the Hölder pool with exponent 1/2."""

__all__ = ["HellingerAggregation"]

import torch
from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters
from pimvae.aggregators.hoelder import hoelder_pool
from pimvae.posteriors import Mixture, single


class HellingerAggregation(Aggregator):
    r"""q(z|x_S) = N(m, diag w) with the mean and the variances of the pool q̄ ∝ (Σ_{s∈S} √N(z; μ_s, diag σ_s²))².

    With the weights π_k, means μ_k and variances v_k of the components of q̄ (see `pimvae.aggregators.hoelder`):
    m = Σ π_k μ_k and w = Σ π_k [v_k + (μ_k − m)²] per dimension. S = ∅ is the prior N(0, I).

    References:
        Hellinger multimodal variational autoencoders (Vo & Valera, 2026), https://arxiv.org/abs/2601.06572
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        pool = hoelder_pool(*expert_parameters(tokens, self.config.encoder_floor), mask)
        weights, mean = pool.logits.softmax(-1).unsqueeze(-1), pool.mean()
        # Centred first: Σ π (v + μ²) − m² would lose all digits of a small variance beside a large mean.
        spread = torch.hypot(pool.scale, pool.loc - mean.unsqueeze(-2))
        return single(mean, (weights * spread.square()).sum(-2).sqrt())
