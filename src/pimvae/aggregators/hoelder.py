"""Hölder pooling with exponent 1/2: in closed form a mixture of the experts and of their pairs."""

__all__ = ["HoelderPooling", "hoelder_pool"]

import math

import torch
from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, present_experts, weighted_posterior
from pimvae.posteriors import Mixture


def hoelder_pool(loc: Tensor, scale: Tensor, mask: Tensor) -> Mixture:
    """The pool of `HoelderPooling` from experts [*batch, M, latent], those in ``mask`` [*batch, M] counting."""
    loc, scale = present_experts(loc, scale, mask)
    i, j = torch.triu_indices(mask.shape[-1], mask.shape[-1], offset=1, device=mask.device)
    (a, b), (s, t) = ((values[..., i, :], values[..., j, :]) for values in (loc, scale))
    total = s.square() + t.square()
    share = t.square() / total  # of the first expert in the mean of the pair
    pair_loc, pair_scale = share * a + (1 - share) * b, s * (2 * share).sqrt()
    log_affinity = 0.5 * ((2 * s * t / total).log() - 0.5 * (a - b).square() / total).sum(-1)
    return weighted_posterior(
        torch.cat([loc.new_zeros(mask.shape), math.log(2) + log_affinity], -1),
        torch.cat([loc, pair_loc], -2),
        torch.cat([scale, pair_scale], -2),
        torch.cat([mask, mask[..., i] & mask[..., j]], -1),
        "gaussian",
    )


class HoelderPooling(Aggregator):
    r"""q(z|x_S) ∝ (Σ_{s∈S} √N(z; μ_s, diag σ_s²))², with h_s = (μ_s, log σ_s); S = ∅ is the prior N(0, I).

    Multiplied out, the square has the terms N_i and 2 √(N_i N_j), i < j, and with v = σ² per dimension
    √(N_i N_j) = S_ij N(μ_ij, v_ij), where μ_ij = (μ_i v_j + μ_j v_i)/(v_i + v_j), v_ij = 2 v_i v_j/(v_i + v_j) and the
    affinity S_ij = ∏_d √(2 σ_i σ_j/(v_i + v_j)) exp(−(μ_i − μ_j)²/(4 (v_i + v_j))) is one number per pair. So q is a
    mixture of the experts, each of weight c, and of the pairs, of weight 2 c S_ij each: K = M + M(M − 1)/2 components.

    References:
        Hellinger multimodal variational autoencoders (Vo & Valera, 2026), https://arxiv.org/abs/2601.06572; without
        the approximation there: Hölder++ (Vo et al., 2026), https://arxiv.org/abs/2606.13381
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        return hoelder_pool(*expert_parameters(tokens, self.config.encoder_floor), mask)
