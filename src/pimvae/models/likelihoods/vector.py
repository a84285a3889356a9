"""Likelihoods of modalities that are rows of numbers: Gaussian, categorical, binary, Poisson, negative binomial."""

__all__ = ["VECTOR_LIKELIHOODS", "Bernoulli", "Categorical", "Gaussian", "NegativeBinomial", "Poisson",
           "one_hot_draws"]  # fmt: skip

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pimvae.config.schema import ModelConfig

LARGEST_LOG_RATE = 20.0  # exp of more overflows what a count can be


def one_hot_draws(logits: Float[Tensor, "*batch dim"], generator: torch.Generator) -> Float[Tensor, "*batch dim"]:
    """Draws of softmax(logits), one-hot."""
    chosen = torch.multinomial(logits.softmax(-1).flatten(0, -2), 1, generator=generator).reshape(logits.shape[:-1])
    return functional.one_hot(chosen, logits.shape[-1]).to(logits.dtype)


class Gaussian(nn.Module):
    """x ~ N(output, diag σ²), σ known or learned (floor + exp(·)), one number per column."""

    def __init__(self, config: ModelConfig, dim: int, noise_scale: float) -> None:
        super().__init__()
        self.learned, self.floor = config.decoder_scale == "learned", config.decoder_floor
        start = torch.full((dim,), math.log(noise_scale))
        if self.learned:
            self.log_scale = nn.Parameter(start)
        else:
            self.register_buffer("log_scale", start, persistent=False)

    def scale(self) -> Float[Tensor, " dim"]:
        """σ; a fixed one is taken as it is."""
        return self.log_scale.exp() + (self.floor if self.learned else 0.0)

    def log_prob(self, x: Float[Tensor, "*#batch dim"], output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Σ_d log N(x_d; output_d, σ_d²)."""
        scale = self.scale()
        return -0.5 * ((x - output) / scale).square().sum(-1) - (scale.log() + 0.5 * math.log(2 * math.pi)).sum()

    def mean(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """E[x | z]."""
        return output

    def variance(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Var[x | z] per column."""
        return self.scale().square().expand_as(output)

    def sample(self, output: Float[Tensor, "*batch dim"], generator: torch.Generator) -> Float[Tensor, "*batch dim"]:
        """A draw of x given z."""
        noise = torch.randn(output.shape, generator=generator, dtype=output.dtype)
        return output + self.scale() * noise

    def centre(self, mean: Tensor) -> Tensor:
        """The output at which E[x] is the given mean: where the decoder's bias starts."""
        return mean

    @staticmethod
    def units(dim: int) -> int:
        """What one observation counts for in weighted bounds."""
        return dim


class Categorical(nn.Module):
    """x is one-hot, x ~ Categorical(softmax(output))."""

    def __init__(self, config: ModelConfig, dim: int, noise_scale: float) -> None:
        super().__init__()

    def log_prob(self, x: Float[Tensor, "*#batch dim"], output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """log softmax(output) at the class."""
        return (x * output.log_softmax(-1)).sum(-1)

    def mean(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Probabilities of the classes."""
        return output.softmax(-1)

    def variance(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """p (1 − p) of every class."""
        probability = output.softmax(-1)
        return probability * (1 - probability)

    def sample(self, output: Float[Tensor, "*batch dim"], generator: torch.Generator) -> Float[Tensor, "*batch dim"]:
        """One-hot draws."""
        return one_hot_draws(output, generator)

    def centre(self, mean: Tensor) -> Tensor:
        """Log frequencies."""
        return mean.clamp(min=1e-3).log()

    @staticmethod
    def units(dim: int) -> int:
        """One class."""
        return 1


class Bernoulli(nn.Module):
    """x_d ∈ {0, 1}, P(x_d = 1) = sigmoid(output_d)."""

    def __init__(self, config: ModelConfig, dim: int, noise_scale: float) -> None:
        super().__init__()

    def log_prob(self, x: Float[Tensor, "*#batch dim"], output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Σ_d x_d output_d − log(1 + exp(output_d))."""
        return (x * output - functional.softplus(output)).sum(-1)

    def mean(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """P(x = 1)."""
        return output.sigmoid()

    def variance(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """p (1 − p)."""
        return output.sigmoid() * (-output).sigmoid()

    def sample(self, output: Float[Tensor, "*batch dim"], generator: torch.Generator) -> Float[Tensor, "*batch dim"]:
        """Draws of 0 and 1."""
        return (torch.rand(output.shape, generator=generator, dtype=output.dtype) < output.sigmoid()).to(output.dtype)

    def centre(self, mean: Tensor) -> Tensor:
        """Log odds."""
        return mean.clamp(1e-3, 1 - 1e-3).logit()

    units = staticmethod(Gaussian.units)


class Poisson(nn.Module):
    """Counts, x_d ~ Poisson(exp(output_d))."""

    def __init__(self, config: ModelConfig, dim: int, noise_scale: float) -> None:
        super().__init__()

    def log_prob(self, x: Float[Tensor, "*#batch dim"], output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Σ_d x_d log λ_d − λ_d − log x_d!."""
        log_rate = output.clamp(max=LARGEST_LOG_RATE)
        return (x * log_rate - log_rate.exp() - torch.lgamma(x + 1)).sum(-1)

    def mean(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """λ."""
        return output.clamp(max=LARGEST_LOG_RATE).exp()

    def variance(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """λ."""
        return self.mean(output)

    def sample(self, output: Float[Tensor, "*batch dim"], generator: torch.Generator) -> Float[Tensor, "*batch dim"]:
        """Counts."""
        return torch.poisson(self.mean(output), generator=generator)

    def centre(self, mean: Tensor) -> Tensor:
        """log λ."""
        return mean.clamp(min=1e-3).log()

    units = staticmethod(Gaussian.units)


class NegativeBinomial(Poisson):
    """Counts with mean μ_d = exp(output_d) and variance μ_d + μ_d²/r_d, r learned per column."""

    def __init__(self, config: ModelConfig, dim: int, noise_scale: float) -> None:
        super().__init__(config, dim, noise_scale)
        self.log_size = nn.Parameter(torch.zeros(dim))

    def log_prob(self, x: Float[Tensor, "*#batch dim"], output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch"]:
        """Σ_d log [Γ(x+r) / (Γ(r) x!) (r/(r+μ))^r (μ/(r+μ))^x]."""
        log_mean = output.clamp(max=LARGEST_LOG_RATE)
        size = self.log_size.exp()
        odds = log_mean - self.log_size  # log μ/r
        choose = torch.lgamma(x + size) - torch.lgamma(size) - torch.lgamma(x + 1)
        return (choose - size * functional.softplus(odds) - x * functional.softplus(-odds)).sum(-1)

    def variance(self, output: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """μ + μ²/r."""
        mean = self.mean(output)
        return mean + mean.square() / self.log_size.exp()

    def sample(self, output: Float[Tensor, "*batch dim"], generator: torch.Generator) -> Float[Tensor, "*batch dim"]:
        """Poisson draws at rates from a Gamma distribution of shape r and mean μ."""
        size = self.log_size.exp().expand_as(output)
        shape = torch._standard_gamma(size, generator=generator)
        return torch.poisson(shape / size * self.mean(output), generator=generator)


VECTOR_LIKELIHOODS: dict[str, type[nn.Module]] = {
    "gaussian": Gaussian,
    "categorical": Categorical,
    "binary": Bernoulli,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}
