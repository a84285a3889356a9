"""Sum pooling with a mixture posterior."""

__all__ = ["SumPoolingMixture"]

from pimvae.aggregators._base import MixtureHead
from pimvae.aggregators.sum_pooling import SumPooling


class SumPoolingMixture(MixtureHead, SumPooling):
    r"""q(z|x_S) = Σ_k π_k N(μ_k, diag σ_k²) with (log π, μ, log σ) = ρ(Σ_{s∈S} χ(h_s)): K·(1 + 2·latent) numbers.

    References:
        Hirt et al. (2024), section 3.
    """
