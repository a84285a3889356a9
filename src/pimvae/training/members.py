"""The models of a cell's stack, and the names of their weights in files."""

__all__ = ["at_share", "build_models"]

from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.models.vae import MultimodalVAE, build_model
from pimvae.training.streams import Purpose, derived_seed


def at_share(name: str, share: float) -> str:
    """What a tensor of the weights after a share of the steps is called in ``weights.safetensors``."""
    return name if share == 1 else f"share={share}/{name}"


def build_models(cell: Cell, datasets: dict[int, Dataset]) -> list[MultimodalVAE]:
    """A freshly initialised model per replica; replicas that differ only in β start from the same weights."""
    models = []
    for replica in cell.members:
        data = datasets[replica.seed]
        start = derived_seed(replica.seed, Purpose.INITIALISATION)
        models.append(build_model(cell.model, data.train.dims, data.max_dim, data.likelihoods, data.noise_scale, start))
    return models
