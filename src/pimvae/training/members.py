"""The members of a cell's stack: a replica for every seed and β, and its model."""

__all__ = ["Replica", "at_share", "build_models", "replicas"]

from dataclasses import dataclass

from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.models.vae import MultimodalVAE, build_model
from pimvae.training.streams import Purpose, derived_seed


@dataclass(frozen=True)
class Replica:
    """One member of a cell's stack."""

    seed: int
    beta: float


def replicas(cell: Cell) -> list[Replica]:
    """The members of the cell's stack in their order: every β of the first seed, then of the second …"""
    return [Replica(seed, beta) for seed in cell.seeds for beta in cell.objective.betas]


def at_share(name: str, share: float) -> str:
    """What a tensor of the weights after a share of the steps is called in ``weights.safetensors``."""
    return name if share == 1 else f"share={share}/{name}"


def build_models(cell: Cell, datasets: dict[int, Dataset]) -> list[MultimodalVAE]:
    """A freshly initialised model per replica; replicas that differ only in β start from the same weights."""
    models = []
    for replica in replicas(cell):
        data = datasets[replica.seed]
        start = derived_seed(replica.seed, Purpose.INITIALISATION)
        models.append(build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, start))
    return models
