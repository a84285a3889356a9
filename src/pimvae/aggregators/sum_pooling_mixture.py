"""Sum pooling with a mixture posterior."""

__all__ = ["SumPoolingMixture"]

from torch import Tensor

from pimvae.aggregators._base import mixture_head
from pimvae.aggregators.sum_pooling import SumPooling
from pimvae.posteriors import Mixture


class SumPoolingMixture(SumPooling):
    r"""q(z|x_S) = Σ_k π_k N(μ_k, diag σ_k²) with (log π, μ, log σ) = ρ(Σ_{s∈S} χ(h_s)): K·(1 + 2·latent) numbers.

    References:
        Hirt et al. (2024), section 3.
    """

    def outputs(self) -> int:
        return self.config.components * (1 + 2 * self.config.latent)

    def head(self, output: Tensor) -> Mixture:
        return mixture_head(output, self.config)
