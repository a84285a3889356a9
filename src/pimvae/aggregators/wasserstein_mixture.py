"""Mixture of the Wasserstein barycentres of all subsets."""

__all__ = ["MixtureOfBarycentres"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, moe_posterior, zero_missing
from pimvae.posteriors import Mixture
from pimvae.subsets import all_subsets


class MixtureOfBarycentres(Aggregator):
    r"""q(z|x_S) = 1/(2^{|S|} − 1) Σ_{∅≠T⊆S} N(1/|T| Σ_{s∈T} μ_s, diag (1/|T| Σ_{s∈T} σ_s)²); S = ∅: the prior.

    One component per non-empty set of modalities, 2^M − 1 in all; those that S does not contain have weight 0.

    References:
        Multimodal variational autoencoder: a barycentric view (Qiu et al., 2025), https://arxiv.org/abs/2412.20487
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        table = all_subsets(mask.shape[-1], mask.device)[1:]
        weight = (table / table.sum(-1, keepdim=True)).to(loc.dtype)
        contained = (mask.unsqueeze(-2) | ~table).all(-1)
        centres = (weight @ zero_missing(values, mask) for values in (loc, scale))
        return moe_posterior(*centres, contained, "gaussian")
