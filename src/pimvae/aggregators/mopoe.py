"""Mixture of products of experts (MoPoE)."""

__all__ = ["MixtureOfProducts"]

from torch import Tensor

from pimvae.aggregators._base import Aggregator, expert_parameters, moe_posterior, zero_missing
from pimvae.posteriors import Mixture
from pimvae.subsets import all_subsets


class MixtureOfProducts(Aggregator):
    r"""q(z|x_S) = 1/(2^{|S|} − 1) Σ_{∅≠T⊆S} PoE_T(z), where PoE_T(z) ∝ N(z; 0, I) ∏_{s∈T} N(z; μ_s, diag σ_s²).

    PoE_T has precision 1 + Σ_{s∈T} σ_s⁻² and mean Σ_{s∈T} μ_s σ_s⁻² / (1 + Σ_{s∈T} σ_s⁻²); S = ∅ is the prior. One
    component per non-empty set of modalities, 2^M − 1 in all, those that S does not contain with weight 0: the sums
    over all T are one product with a table of zeros and ones, but draws and decodings grow with 2^M (M ≤ 5 is cheap).

    References:
        Generalized multimodal ELBO (Sutter et al., 2021), https://arxiv.org/abs/2105.02470
    """

    experts = True
    gaussian_only = True

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        loc, scale = expert_parameters(tokens, self.config.encoder_floor)
        table = all_subsets(mask.shape[-1], mask.device)[1:]
        precision = zero_missing(scale.square().reciprocal(), mask)
        weighted = precision * zero_missing(loc, mask)
        members = table.to(loc.dtype)
        total = 1 + members @ precision
        contained = (mask.unsqueeze(-2) | ~table).all(-1)
        return moe_posterior(members @ weighted / total, total.rsqrt(), contained, self.config.family)
