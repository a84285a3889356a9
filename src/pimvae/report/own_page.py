"""Pictures of a run on own data: PNG files and one HTML page that holds them."""

__all__ = ["write_page"]

import base64
import html
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from pimvae.data.dataset import spread
from pimvae.data.modality import describe
from pimvae.data.readers import Collection
from pimvae.evaluation.rates import rate
from pimvae.files import replacing
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.posteriors import standard_noise
from pimvae.report.own_summary import summary

SAMPLES, PANELS, DRAWS = 500, 9, 32
MOST_SUBSETS = 4  # modalities of which all subsets are shown


@contextmanager
def _any_names() -> Iterator[None]:
    """Names of modalities and classes may hold $, and characters that the font lacks: they are drawn as boxes."""
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        yield


@_any_names()
def write_page(
    model: MultimodalVAE,
    train: Collection,
    rows: Sequence[tuple[object, ...]],
    folder: Path,
    colour: str | None = None,
) -> None:
    """``curves.png``, ``latents.png``, ``predictions.png``, ``rates.png`` and ``report.html`` with all of them.

    Shown are held-out samples where there are any.

    Args:
        model: the seed that answers is shown.
        train: training samples, perhaps with held-out ones.
        rows: of ``metrics.csv``.
        folder: of the run.
        colour: modality by which latents are coloured; default: the first with classes, else the first.
    """
    data = train.test or train
    data = data.select(spread(len(data), SAMPLES))
    figures = {
        "latents": ("Latents: the two directions in which posterior means vary most", _latents(model, data, colour)),
        "predictions": ("Each modality predicted from all others: true against predicted", _predictions(model, data)),
        "rates": ("Rate: what the posterior of a subset tells about z, KL(q(z|x_S) ‖ p(z))", _rates(model, data)),
    }
    curves = _curves(folder / "history.csv")
    if curves is not None:
        figures = {"curves": ("Training: bound of training batches and of validation samples", curves), **figures}
    parts = []
    for name, (title, figure) in figures.items():
        with replacing(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=120)
        plt.close(figure)
        picture = base64.b64encode((folder / f"{name}.png").read_bytes()).decode()
        parts.append(f'<h2>{html.escape(title)}</h2>\n<img alt="{name}" src="data:image/png;base64,{picture}">')
    understood = "\n".join(describe(model.modalities, pack_collection(train, model.modalities).mask.numpy()))
    title = html.escape(f"{model.cell.dataset}: {model.cell.model.aggregator}, {model.cell.objective.name}")
    text = (f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n'
            "<style>body{font:16px sans-serif;max-width:60em;margin:2em auto}img{max-width:100%}pre{overflow:auto}"
            f"</style>\n<h1>{title}</h1>\n<h2>Data</h2>\n<pre>{html.escape(understood)}</pre>\n"
            f"<h2>Numbers</h2>\n<pre>{html.escape(chr(10).join(summary(rows)))}</pre>\n" + "\n".join(parts)
            + "\n</html>\n")  # fmt: skip
    with replacing(folder / "report.html") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _panels(count: int) -> tuple[Figure, list[plt.Axes]]:
    columns = min(3, count)
    lines = -(-count // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(4 * columns, 3.2 * lines), layout="constrained", squeeze=False)
    flat = list(axes.flat)
    for unused in flat[count:]:
        unused.set_visible(False)
    return figure, flat


def _curves(path: Path) -> Figure | None:
    import pandas as pd

    history = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["term"])
    bounds = {"loss": ("training", -1), "validation_bound": ("validation", 1)}
    history = history[history["term"].isin(bounds)]
    if not len(history):
        return None
    figure, axes = _panels(1)
    for term, (label, sign) in bounds.items():
        for number, (_, part) in enumerate(history[history["term"] == term].groupby("seed")):
            axes[0].plot(part["step"], sign * part["value"], color=f"C{sign > 0:d}", alpha=0.7,
                         label=label if number == 0 else None)  # fmt: skip
    finite = (history["value"] * history["term"].map(lambda term: bounds[term][1])).replace([np.inf, -np.inf], np.nan)
    low, high = finite.quantile(0.05), finite.max()
    if np.isfinite(low) and np.isfinite(high) and low < high:
        axes[0].set_ylim(low, high + 0.05 * (high - low))
    axes[0].set_xlabel("step")
    axes[0].set_ylabel("bound (nats per sample, model's units)")
    axes[0].legend()
    return figure


def _latents(model: MultimodalVAE, data: Collection, colour: str | None) -> Figure:
    mean = np.asarray(model.encode(data).mean)
    mean = mean - mean.mean(0)
    _, _, axes_of_z = np.linalg.svd(mean, full_matrices=False)
    flat = mean @ axes_of_z[:2].T
    flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))
    classes = [m.name for m in model.modalities if m.kind == "categorical"]
    name = colour or next((n for n in classes if n in data.names), data.names[0])
    s = model.names.index(name)
    modality, packed = model.modalities[s], pack_collection(data, model.modalities)
    seen, values = packed.mask[:, s].numpy(), packed.x[s, :, : modality.dim].numpy()
    figure, axes = _panels(1)
    axes[0].scatter(*flat[~seen].T, s=8, color="lightgrey", label=f"{name}: missing" if (~seen).any() else None)
    if modality.kind == "categorical":
        for k, label in enumerate(modality.classes[:20]):
            axes[0].scatter(*flat[seen & (values[:, k] > 0)].T, s=8, color=f"C{k % 10}", label=str(label))
        axes[0].legend(title=name, fontsize="small")
    else:
        points = axes[0].scatter(*flat[seen].T, s=8, c=modality.decode(values[seen]).reshape(seen.sum(), -1)[:, 0])
        figure.colorbar(points, label=modality.column_names()[0])
    axes[0].set_xlabel("first direction")
    axes[0].set_ylabel("second direction")
    return figure


def _predictions(model: MultimodalVAE, data: Collection) -> Figure:
    packed = pack_collection(data, model.modalities)
    shown = [name for name in model.names if name in data.names][:PANELS]
    figure, axes = _panels(len(shown))
    for axis, name in zip(axes, shown, strict=False):
        s = model.names.index(name)
        modality = model.modalities[s]
        rows = np.flatnonzero((packed.mask[:, s] & (packed.mask.sum(1) > 1)).numpy())
        axis.set_title(name)
        if not len(rows):
            axis.text(0.5, 0.5, "never observed with others", ha="center")
            continue
        found = model.predict(data.select(rows), target=name)
        true = packed.x[s, rows, : modality.dim].numpy()
        if modality.kind == "categorical":
            _confusion(axis, modality.classes, true.argmax(1), np.asarray(found.mean).argmax(1))
            continue
        true = modality.decode(true).reshape(len(rows), -1)
        guess = np.asarray(found.mean).reshape(len(rows), -1)
        few = slice(None, None, max(1, true.size // 5000))
        axis.scatter(true.ravel()[few], guess.ravel()[few], s=3, alpha=0.4)
        ends = [true.min(), true.max()]
        axis.plot(ends, ends, color="grey", linewidth=1)
        axis.set_xlabel("true")
        axis.set_ylabel("predicted")
    return figure


def _confusion(axis: plt.Axes, classes: Sequence[object], true: np.ndarray, guess: np.ndarray) -> None:
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (true, guess), 1)
    axis.imshow(counts, cmap="Blues")
    if len(classes) <= 12:
        for i, j in np.ndindex(*counts.shape):
            axis.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize="small")
        labels = [str(label) for label in classes]
        axis.set_xticks(range(len(classes)), labels, rotation=45, ha="right")
        axis.set_yticks(range(len(classes)), labels)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")


@torch.no_grad()
def _rates(model: MultimodalVAE, data: Collection) -> Figure:
    packed = pack_collection(data, model.modalities).to(torch.float64)
    core, total = model.double(), len(model.modalities)
    sizes = range(1, total + 1) if total <= MOST_SUBSETS else (1, total)
    subsets = [chosen for size in sizes for chosen in combinations(range(total), size)]
    generator = torch.Generator().manual_seed(0)
    labels, values = [], []
    for chosen in subsets:
        rows = packed.mask[:, list(chosen)].all(1)
        if not rows.any():
            continue
        mask = torch.zeros_like(packed.mask[rows])
        mask[:, list(chosen)] = True
        posterior = core.posterior(packed.x[:, rows], mask)
        shape = (posterior.components, DRAWS, int(rows.sum()), core.latent_size)
        noise = standard_noise(shape, model.cell.model.family, generator, torch.float64)
        labels.append("all" if len(chosen) == total else " + ".join(model.names[s] for s in chosen))
        values.append(float(rate(core, posterior, noise).mean()))
    figure, axes = plt.subplots(figsize=(7, 1 + 0.35 * len(labels)), layout="constrained")
    axes.barh(labels[::-1], values[::-1])
    axes.set_xlabel("rate (nats)")
    return figure
