"""Self-attention pooling (Set Transformer)."""

__all__ = ["SelfAttention"]

from torch import Tensor

from pimvae.aggregators._base import PooledAggregator
from pimvae.aggregators._transformer import SetTransformer
from pimvae.config.schema import ModelConfig
from pimvae.errors import UserError
from pimvae.models.layers import MLP
from pimvae.posteriors import Mixture


class SelfAttention(PooledAggregator):
    r"""q(z|x_S) = N(μ, diag σ²) with (μ, log σ) = ρ(Σ_{s∈S} t_s), {t_s} = transformer({χ(h_s) : s ∈ S}).

    Tokens attend to the tokens of S alone. S = ∅ gives ρ(0).

    References:
        Set Transformer (Lee et al., 2019), https://arxiv.org/abs/1810.00825; Hirt et al. (2024), section 3.
    """

    def __init__(self, config: ModelConfig, features: int) -> None:
        super().__init__(config, features)
        width = config.pooling_width
        if width % config.attention_heads:
            raise UserError(f"pooling_width {width} cannot be shared by {config.attention_heads} attention_heads")
        self.chi = MLP([features, width, width, width])
        self.transformer = SetTransformer(width, config.attention_heads, config.attention_blocks)
        self.rho = MLP([width, width, width, self.outputs()])

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        return self.head(self.rho(self.transformer.pooled(tokens, mask)))
