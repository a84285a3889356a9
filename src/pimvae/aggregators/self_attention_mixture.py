"""Self-attention pooling with a mixture posterior."""

__all__ = ["SelfAttentionMixture"]

from torch import Tensor

from pimvae.aggregators._base import mixture_head
from pimvae.aggregators.self_attention import SelfAttention
from pimvae.posteriors import Mixture


class SelfAttentionMixture(SelfAttention):
    r"""Self-attention whose ρ emits a K-component mixture: logits, locations, log-scales, K·(1 + 2·latent) numbers.

    References:
        Hirt et al. (2024), section 3.
    """

    def outputs(self) -> int:
        return self.config.components * (1 + 2 * self.config.latent)

    def head(self, output: Tensor) -> Mixture:
        return mixture_head(output, self.config)
