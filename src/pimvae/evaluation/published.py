"""Metrics as the released code computes them, under names of their own: for the audit only."""

__all__ = ["add_published", "bound_at", "mcc_published", "randomized_dependence"]

import csv
from pathlib import Path

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from sklearn.cross_decomposition import CCA

from pimvae.config.schema import Cell
from pimvae.data.dataset import Dataset
from pimvae.errors import UserError
from pimvae.evaluation.identifiability import mcc
from pimvae.evaluation.identifiable import posterior_latents
from pimvae.evaluation.rows import Rows
from pimvae.models.vae import MultimodalVAE
from pimvae.objectives._base import drawn_bound
from pimvae.training.packing import PackedSplit, pack
from pimvae.training.streams import Purpose, derived_seed

FEATURES, SPREAD = 20, 0.5  # random features of a variable, standard deviation of their weights


@torch.no_grad()
def add_published(cell: Cell, model: MultimodalVAE, data: Dataset, folder: Path, rows: Rows) -> None:
    """The moving bound beside the bound at the final parameters, and where true latents are known the MCC.

    ``bound_moving`` is minus the mean training loss of the last epoch, while parameters still move; ``bound_fixed`` is
    the same bound at the final parameters. ``mcc_published_*`` see `mcc_published`; they are those of one posterior
    sample, as in the released code.

    Raises:
        UserError: if the training curve in ``folder`` is missing or has no row of this replica.
    """
    seed, beta = rows.seed, rows.beta
    generator = torch.Generator().manual_seed(derived_seed(seed, Purpose.PUBLISHED))
    train = pack(data.train, data.max_dim).to(torch.float64)
    rows.add("bound_moving", _moving(cell, folder / "history.csv", len(train), seed, beta), "average")
    part = train.spread(cell.evaluation.samples)
    rows.add("bound_fixed", bound_at(cell, model, part, beta, generator), "average")
    if cell.data.kind not in ("bimodal", "multimodal"):
        return
    test = pack(data.test, data.max_dim).to(torch.float64)
    _, drawn = posterior_latents(model, test.x, test.mask, generator)
    scores = mcc_published(
        data.test.truth["latents"], drawn.numpy(), np.random.default_rng(derived_seed(seed, Purpose.PUBLISHED))
    )
    for name, value in scores.items():
        rows.add(f"mcc_published_{name}", value, split="test")


def bound_at(cell: Cell, model: MultimodalVAE, part: PackedSplit, beta: float, generator: torch.Generator) -> float:
    """The trained bound at fixed parameters: mean over samples, ``evaluation.draws`` draws of subset and noise each."""
    total = 0.0
    for _ in range(cell.evaluation.draws):
        total += float(drawn_bound(cell.objective, model, part.x, part.mask, beta, generator).value.mean())
    return total / cell.evaluation.draws


def _moving(cell: Cell, path: Path, samples: int, seed: int, beta: float) -> float:
    """Minus the mean loss of the windows that end in the last epoch."""
    start = cell.train.steps - samples // cell.train.batch_size
    try:
        with path.open(newline="") as file:
            found = [
                float(row["value"])
                for row in csv.DictReader(file)
                if row["term"] == "loss" and int(row["seed"]) == seed and float(row["beta"]) == beta
                and int(row["step"]) > start
            ]  # fmt: skip
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged, train the cell again: {error}") from None
    if not found:
        raise UserError(f"{path} has no loss of the last epoch: train.history_every must divide train.steps")
    return -float(np.mean(found))


def mcc_published(
    true: Float[np.ndarray, "n latent"], inferred: Float[np.ndarray, "n latent"], rng: np.random.Generator
) -> dict[str, float]:
    """Mean correlation coefficients as the released code has them: two measures of dependence under one name.

    ``strong_in`` (first half) and ``weak_in``, ``weak_out`` (of one canonical pair, fitted on the first half) are
    randomized dependence coefficients; ``strong_out`` (matched on the first half, measured on the second) is Pearson's.

    References:
        Hirt et al. (2024), released code; compare `pimvae.evaluation.identifiability.mcc`.
    """
    half = len(true) // 2
    first, second = slice(0, half), slice(half, 2 * half)
    pairs = CCA(n_components=1).fit(true[first], inferred[first])
    return {
        "strong_in": _matched(true[first], inferred[first], rng),
        "strong_out": mcc(true[: 2 * half], inferred[: 2 * half]).out_of_sample,
        "weak_in": _matched(*pairs.transform(true[first], inferred[first]), rng),
        "weak_out": _matched(*pairs.transform(true[second], inferred[second]), rng),
    }


def _matched(true: np.ndarray, inferred: np.ndarray, rng: np.random.Generator) -> float:
    """Mean randomized dependence of matched columns; matched and measured on the same samples."""
    table = np.array([[randomized_dependence(a, b, rng) for b in inferred.T] for a in true.T])
    return float(table[linear_sum_assignment(-table)].mean())


def randomized_dependence(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], rng: np.random.Generator) -> float:
    """Largest canonical correlation of random sines of the ranks of x and y, as in the released code.

    The features are nearly collinear. A QR decomposition *without pivoting* cut at the numerical rank then keeps
    directions that are rounding errors, and independent variables can come out as dependent.

    References:
        The randomized dependence coefficient (Lopez-Paz et al., 2013); its use here: Hirt et al. (2024), released code.
    """
    (q_x, rank_x), (q_y, rank_y) = (_basis(values, rng) for values in (x, y))
    return float(np.linalg.svd(q_x[:, :rank_x].T @ q_y[:, :rank_y], compute_uv=False)[0])


def _basis(values: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Q of the centred features and their numerical rank."""
    ranks = np.empty(len(values))
    ranks[values.argsort()] = np.arange(1, len(values) + 1) / len(values)
    weights = rng.normal(0, SPREAD, (2, FEATURES))
    features = np.column_stack([np.sin(np.outer(ranks, weights[0]) + weights[1]), np.ones(len(values))])
    features -= features.mean(0)
    return scipy.linalg.qr(features, mode="economic")[0], int(np.linalg.matrix_rank(features))
