"""The shape of the tail of importance weights: whether an average of them can be trusted."""

__all__ = ["FINITE", "TRUSTED", "pareto_shape"]

import math

import torch
from jaxtyping import Float
from torch import Tensor

TRUSTED = 0.7  # above it an average of a practical number of weights is not to be trusted (Vehtari et al., 2024)
FINITE = 0.5  # below it the weights have a variance
PRIOR_COUNT, PRIOR_SHAPE = 10, 0.5  # the estimate is drawn towards 1/2 as by ten observations


def pareto_shape(log_weights: Float[Tensor, "draw n"]) -> Float[Tensor, " n"]:
    """k̂ of the generalised Pareto distribution fitted to the largest weights of every point.

    The min(K/5, 3√K) largest of K weights, less the next one, are fitted by the quasi-Bayesian estimator of Zhang &
    Stephens: a weighted mean over a grid of θ = k/σ, weighted by the profile likelihood. Weights have as many moments
    as 1/k.

    References:
        A new and efficient estimation method for the generalized Pareto distribution (Zhang & Stephens, 2009); Pareto
        smoothed importance sampling (Vehtari et al., 2024), https://jmlr.org/papers/v25/19-556.html
    """
    count = len(log_weights)
    tail = max(5, int(min(count / 5, 3 * math.sqrt(count))))
    top = (log_weights - log_weights.amax(0)).double().sort(0).values[-tail - 1 :].exp()
    excess = (top[1:] - top[:1]).clamp(min=1e-12)  # all weights equal: a tail without length
    grid = torch.arange(1, 31 + int(math.sqrt(tail)), dtype=torch.float64, device=excess.device) - 0.5
    quartile = excess[int(tail / 4 + 0.5) - 1]
    theta = 1 / excess[-1] + (1 - (len(grid) / grid).sqrt()).unsqueeze(-1) / (3 * quartile)  # [grid, n]
    shape = torch.log1p(-theta.unsqueeze(1) * excess).mean(1)
    weight = (tail * ((-theta / shape).log() - shape - 1)).softmax(0)
    k = torch.log1p(-(weight * theta).sum(0) * excess).mean(0)
    return (tail * k + PRIOR_COUNT * PRIOR_SHAPE) / (tail + PRIOR_COUNT)
