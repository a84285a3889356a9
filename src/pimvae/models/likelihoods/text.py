"""Text of fixed length, one categorical distribution per position."""

__all__ = ["CategoricalText"]

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.models.likelihoods.vector import one_hot_draws

POSITIONS, SYMBOLS = 8, 71


@dataclass(frozen=True)
class CategoricalText:
    r"""x_t | z ~ Categorical(softmax(output_t)) for every position t = 1..8, an alphabet of 71 symbols.

    Observations are one-hot, flattened to 8·71 numbers (position, symbol), and so is the network's output, which holds
    *logits*: nothing here takes probabilities.
    """

    scale: float = 1.0  # every likelihood is made with the noise scale of the images; text has none

    def log_prob(
        self, x: Float[Tensor, "*#batch flat"], output: Float[Tensor, "*batch flat"]
    ) -> Float[Tensor, "*batch"]:
        """Σ_t log softmax(output_t)[x_t], by x·output − Σ_t logsumexp(output_t)."""
        return (x * output).sum(-1) - output.unflatten(-1, (POSITIONS, SYMBOLS)).logsumexp(-1).sum(-1)

    def mean(self, output: Float[Tensor, "*batch flat"]) -> Float[Tensor, "*batch flat"]:
        """E[x | z]: the probabilities of every symbol at every position."""
        return output.unflatten(-1, (POSITIONS, SYMBOLS)).softmax(-1).flatten(-2)

    def variance(self, output: Float[Tensor, "*batch flat"]) -> Float[Tensor, "*batch flat"]:
        """p (1 − p) of every symbol."""
        return self.mean(output) * (1 - self.mean(output))

    def sample(self, output: Float[Tensor, "*batch flat"], generator: torch.Generator) -> Tensor:
        """One-hot draws."""
        return one_hot_draws(output.unflatten(-1, (POSITIONS, SYMBOLS)), generator).flatten(-2)

    @staticmethod
    def units(dim: int) -> int:
        """What one observation counts for in weighted bounds: its positions."""
        return dim // SYMBOLS
