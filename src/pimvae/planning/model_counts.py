"""The model of a cell counted: built on the meta device, where tensors have shapes and no values, and run once."""

__all__ = ["count"]

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from pimvae import registry
from pimvae.config.schema import Cell
from pimvae.evaluation.likelihood import importance_log_likelihood
from pimvae.evaluation.rates import cross_rate, reconstruction
from pimvae.models.vae import MultimodalVAE, build_model
from pimvae.objectives._base import Draws, as_objective
from pimvae.planning.counts import Architecture, Counts, Problem

# Products of wide layers run so many times faster than those of a decoder with its likelihood: an operation of an
# evaluation is one of the decoder.
WIDE = 8


def count(cell: Cell) -> Counts:
    """What one replica of the cell takes.

    A multiplication with its addition is two operations. Products of matrices and convolutions count, of the loss and
    of its gradient in all parameters; what is done number by number does not, nor does the optimiser.
    """
    problem = Problem.of(cell)
    with torch.device("meta"):
        return Counts(**_step(problem), **_evaluation(problem.architecture))


@cache
def _model(architecture: Architecture) -> MultimodalVAE:
    """As training builds it, but for weights of the bound: they change no count, and are read from tensors."""
    config = architecture.config.model_copy(update={"likelihood_weights": "equal"})
    return build_model(config, architecture.dims, architecture.width, architecture.likelihoods, 1.0, 0)


def _inputs(architecture: Architecture, batch: int) -> tuple[Tensor, Tensor]:
    """x [M, batch, width] and O = all modalities."""
    x = torch.empty(architecture.modalities, batch, architecture.width)
    return x, torch.ones(batch, architecture.modalities, dtype=torch.bool)


@cache
def _step(problem: Problem) -> dict[str, int]:
    """The loss of a step as `pimvae.training.loop.Trainer` computes it for each replica, and its gradient."""
    model, settings = _model(problem.architecture), problem.objective
    x, observed = _inputs(problem.architecture, problem.batch)
    components = _evaluation(problem.architecture)["components"]
    size = (components, settings.importance_samples, problem.subsets + 1, problem.batch, model.latent_size)
    noise, subset = torch.empty(size), observed.expand(problem.subsets, -1, -1)
    draws = Draws(noise[:, :, :-1], noise[:, :, -1:])
    objective = as_objective(registry.lookup("objectives", settings.name))

    def gradient() -> None:
        value = objective(model, x, observed, subset, draws, 1.0, settings.sticking_the_landing).value
        torch.autograd.grad(value.mean(), list(model.parameters()), allow_unused=True)

    operations, activations = _counted(model, gradient)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {"parameters": parameters, "operations": operations, "activations": activations}


@cache
def _evaluation(architecture: Architecture) -> dict[str, int]:
    """One sample: importance sampling, and what is asked of the posterior of every subset.

    The encoder is left out: it is run once for all particles and draws.
    """
    model = _model(architecture)
    x, observed = _inputs(architecture, 1)
    posterior, other = model.posterior(x, observed), model.posterior(x, observed)
    components = posterior.components
    latent, noise = torch.empty(1, model.latent_size), torch.empty(components, 1, 1, model.latent_size)
    decoder, decoded = _counted(model, lambda: model.log_likelihood(x, latent))
    encoder, _ = _counted(model, lambda: model.posterior(x, observed))
    particle, _ = _counted(model, lambda: importance_log_likelihood(model, x, observed, 1))
    draw, _ = _counted(model, lambda: (cross_rate(posterior, other, noise), reconstruction(model, x, other, noise)))
    return {
        "components": components,
        "particle": decoder + (particle - encoder - decoder) // WIDE,
        "draw": components * decoder + (draw - components * decoder) // WIDE,
        "decoded": decoded,
    }


def _counted(model: nn.Module, function: Callable[[], object]) -> tuple[int, int]:
    """Operations of the function, and the numbers that it keeps for a backward pass besides the parameters."""
    storages: dict[int, torch.UntypedStorage] = {}  # held, so that no two share an identity

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[id(storage)] = storage
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda tensor: tensor):
        function()
    own = {id(parameter.untyped_storage()) for parameter in model.parameters()}
    kept = sum(storage.nbytes() for key, storage in storages.items() if key not in own)
    return counter.get_total_flops(), kept // torch.get_default_dtype().itemsize
