"""Self-attention pooling with a mixture posterior."""

__all__ = ["SelfAttentionMixture"]

from pimvae.aggregators._base import MixtureHead
from pimvae.aggregators.self_attention import SelfAttention


class SelfAttentionMixture(MixtureHead, SelfAttention):
    r"""Self-attention whose ρ emits a K-component mixture: logits, locations, log-scales, K·(1 + 2·latent) numbers.

    References:
        Hirt et al. (2024), section 3.
    """
