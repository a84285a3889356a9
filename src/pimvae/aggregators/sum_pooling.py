"""Sum pooling (Deep Sets)."""

__all__ = ["SumPooling"]

from torch import Tensor

from pimvae.aggregators._base import PooledAggregator, masked_sum
from pimvae.config.schema import ModelConfig
from pimvae.models.layers import MLP
from pimvae.posteriors import Mixture


class SumPooling(PooledAggregator):
    r"""q(z|x_S) = N(μ, diag σ²) with (μ, log σ) = ρ(Σ_{s∈S} χ(h_s)).

    χ and ρ are MLPs with two hidden layers (leaky ReLU), the pooled width as hidden width. S = ∅ gives ρ(0), which the
    bound trains towards the prior. Every permutation-invariant map of finitely many features has this form.

    References:
        Deep sets (Zaheer et al., 2017), https://arxiv.org/abs/1703.06114; Hirt et al. (2024), section 3.
    """

    def __init__(self, config: ModelConfig, features: int) -> None:
        super().__init__(config, features)
        width = config.pooling_width
        self.chi = MLP([features, width, width, width])
        self.rho = MLP([width, width, width, self.outputs()])

    def pool(self, tokens: Tensor, mask: Tensor) -> Mixture:
        return self.head(self.rho(masked_sum(tokens, mask)))
