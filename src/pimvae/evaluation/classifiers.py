"""Classifiers that read generated digits: small convolutional networks for images, the exact rule for text."""

__all__ = ["Classifiers", "ImageClassifier", "classifiers_file", "classify_text", "fit", "load_classifiers", "run",
           "save_classifiers", "trained_classifiers", "untrained"]  # fmt: skip

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from pimvae.chain import check_metrics, seal_file
from pimvae.data._text import templates
from pimvae.data.dataset import Dataset, Split, load
from pimvae.data.job import checksums, data_file
from pimvae.errors import UserError
from pimvae.evaluation.rows import CLASSIFIER, COLUMNS, SPLITS, TRIPLE
from pimvae.files import parse_json, replacing, sha256, write_csv
from pimvae.models.layers import Dense, fresh
from pimvae.models.vae import seeded

DIGITS, FEATURES = 10, 64
EPOCHS, MOST_STEPS, BATCH, RATE, DROPOUT = 20, 8000, 64, 3e-3, 0.2
SMALLEST = 1e-12  # probability of a symbol; keeps the logarithm finite
ACCURACIES = "classifiers.csv"


class ImageClassifier(nn.Module):
    """Two convolutions (kernel 3, pooled by 2), a layer of 64 units, whose values are the features, and ten logits.

    Args:
        channels: 1 or 3.
        side: pixels a side.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.shape = (channels, side, side)
        self.first = fresh(nn.Conv2d(channels, 16, 3, padding=1))
        self.second = fresh(nn.Conv2d(16, 32, 3, padding=1))
        self.hidden = Dense(32 * (side // 4) ** 2, FEATURES)
        self.head = Dense(FEATURES, DIGITS)

    def features(self, x: Float[Tensor, "batch pixel"]) -> Float[Tensor, "batch feature"]:
        """The values of the last hidden layer."""
        x = _pooled(torch.relu(self.first(x.unflatten(-1, self.shape))))
        x = _pooled(torch.relu(self.second(x)))
        return torch.relu(self.hidden(functional.dropout(x.flatten(1), DROPOUT, self.training)))

    def forward(self, x: Float[Tensor, "batch pixel"]) -> Float[Tensor, "batch digit"]:
        return self.head(functional.dropout(self.features(x), DROPOUT, self.training))


def _pooled(x: Float[Tensor, "batch channel row column"]) -> Tensor:
    """The largest of every 2 × 2 values; where no gradient is wanted by comparisons, ten times faster on a CPU."""
    if x.requires_grad:
        return functional.max_pool2d(x, 2)
    height, width = (size // 2 * 2 for size in x.shape[-2:])
    rows = torch.maximum(x[..., :height:2, :width], x[..., 1:height:2, :width])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])


class Classifiers(nn.Module):
    """One classifier per modality, in the order MNIST, SVHN, text.

    Raises:
        ValueError: by its methods, if the classifier is in training mode, where dropout would change its answers.
    """

    def __init__(self, images: Iterable[ImageClassifier]) -> None:
        super().__init__()
        self.images = nn.ModuleList(images)

    @torch.no_grad()
    def labels(self, s: int, mean: Float[Tensor, "batch dim"]) -> Int64[Tensor, " batch"]:
        """The digit that a generated modality shows: of text from its probabilities, of an image from its pixels."""
        return classify_text(mean) if s == len(self.images) else self._image(s)(mean).argmax(-1)

    @torch.no_grad()
    def features(self, s: int, mean: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch feature"]:
        """Values of the last hidden layer of an image classifier."""
        return self._image(s).features(mean)

    def _image(self, s: int) -> ImageClassifier:
        if self.images[s].training:
            raise ValueError("the classifier is in training mode")
        return self.images[s]


def classify_text(probabilities: Float[Tensor, "batch flat"]) -> Int64[Tensor, " batch"]:
    r"""argmax_d 1/|T_d| Σ_{t∈T_d} ∏_i p_i(t_i), T_d the spellings of digit d (its name at every start).

    The word that text drawn from these probabilities most probably is, when digits and starts are equally probable
    before. Exact for real text; text of blended starts is judged by the word that it is made of.
    """
    known = templates()
    rows = torch.from_numpy(known.rows).to(probabilities)
    scores = probabilities.clamp(min=SMALLEST).log() @ rows.T
    per_digit = [scores[:, first : first + count].logsumexp(-1) - math.log(count)
                 for first, count in zip(known.first.tolist(), known.count.tolist(), strict=True)]  # fmt: skip
    return torch.stack(per_digit, dim=-1).argmax(-1)


def table(split: Split, s: int) -> tuple[Tensor, Tensor]:
    """The distinct images of a modality, float32 in [0, 1], and the digits that they show."""
    labels = torch.from_numpy(np.asarray(split.truth["labels"], dtype=np.int64))
    if split.pairs is None:
        return torch.from_numpy(split.values(s)), labels
    _, first = np.unique(split.pairs[:, s], return_index=True)
    return torch.from_numpy(split.select(first).values(s)), labels[torch.from_numpy(first)]


def untrained(data: Dataset) -> list[ImageClassifier]:
    """A classifier for every modality that is an image, as torch's global generator initialises it."""
    kinds = zip(data.train.dims, data.likelihoods, strict=True)
    return [_classifier(dim) for dim, kind in kinds if kind == "laplace"]


def _classifier(dim: int) -> ImageClassifier:
    """For images of so many numbers: grey if that is a square, else of three channels."""
    channels = 1 if math.isqrt(dim) ** 2 == dim else 3
    return ImageClassifier(channels, math.isqrt(dim // channels))


def fit(data: Dataset, seed: int) -> Classifiers:
    """Image classifiers trained on the training images, each once, in evaluation mode."""
    kinds = enumerate(data.likelihoods)
    return Classifiers(_train(*table(data.train, s), seed) for s, kind in kinds if kind == "laplace")


def _train(pixels: Tensor, labels: Tensor, seed: int) -> ImageClassifier:
    """Adam with a cosine schedule on cross-entropy; dropout, order and initial weights depend on the seed alone."""
    with seeded(seed):
        model = _classifier(pixels.shape[1]).train()
        optimiser = torch.optim.AdamW(model.parameters(), RATE)
        steps = min(EPOCHS * max(1, len(pixels) // BATCH), MOST_STEPS)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        order: list[Tensor] = []
        for _ in range(steps):
            order = order or list(torch.randperm(len(pixels)).split(BATCH))[: max(1, len(pixels) // BATCH)]
            rows = order.pop()
            optimiser.zero_grad()
            functional.cross_entropy(model(pixels[rows]), labels[rows]).backward()
            optimiser.step()
            schedule.step()
    return model.eval().requires_grad_(False)


def save_classifiers(classifiers: Classifiers, path: Path) -> None:
    """Write weights and shapes as safetensors."""
    shapes = json.dumps([model.shape for model in classifiers.images])
    with replacing(path) as temporary:
        save_file(classifiers.images.state_dict(), temporary, {"shapes": shapes})


def load_classifiers(path: Path) -> Classifiers:
    """What `save_classifiers` wrote, in evaluation mode.

    Raises:
        UserError: if the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            shapes = parse_json(file.metadata()["shapes"])
        found = Classifiers(ImageClassifier(channels, side) for channels, side, _ in shapes)
        found.images.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise UserError(f"classifiers {path} do not exist: run 'pimvae classifiers' first") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"classifiers {path} are damaged, make them again: {error}") from None
    return found.eval().requires_grad_(False)


def classifiers_file(folder: Path | str) -> Path:
    """The file of a data set's classifiers, beside its data."""
    return Path(folder) / "classifiers.safetensors"


def trained_classifiers(folder: Path | str) -> Classifiers:
    """The classifiers of a data set.

    Raises:
        UserError: if they are missing, not as they were written, or were trained on other data than lie there now.
    """
    path = classifiers_file(folder)
    found, facts = load_classifiers(path), check_metrics(Path(folder) / ACCURACIES)
    again = "run 'pimvae classifiers' again"
    if facts.get("classifiers_sha256", sha256(path)) != sha256(path):
        raise UserError(f"classifiers {path} are not what the training wrote (sha256 differs): {again}")
    for seed, digest in facts.get("data_sha256", {}).items():
        if sha256(data_file(folder, int(seed))) != digest:
            raise UserError(f"classifiers {path} were trained on other data than those of seed {seed}: {again}")
    return found


def run(experiment: str, dataset: str, seeds: Sequence[int], data_dir: Path | str) -> None:
    """Train on the data of the first seed; writes ``classifiers.safetensors`` and ``classifiers.csv`` beside them.

    The CSV holds tidy metrics: ``accuracy`` on training and held-out images, each counted once.

    Raises:
        UserError: if the data are missing, damaged or have no images and text.
    """
    seed = seeds[0]
    path = data_file(data_dir, seed)
    data = load(path)
    if data.likelihoods != ("laplace", "laplace", "text"):
        raise UserError(f"{path} has no images and text: classifiers are for the data set kind 'images'")
    classifiers = fit(data, seed)
    save_classifiers(classifiers, classifiers_file(data_dir))
    keys = (experiment, dataset, CLASSIFIER, CLASSIFIER, CLASSIFIER, 1.0, seed, 1.0, "")
    rows = [(*keys, split, subset, "accuracy", value) for split, subset, value in _accuracies(data, classifiers)]
    write_csv(Path(data_dir) / ACCURACIES, COLUMNS, rows)
    seal_file(Path(data_dir) / ACCURACIES, classifiers_sha256=sha256(classifiers_file(data_dir)),
              data_sha256=checksums(data_dir, [seed]))  # fmt: skip


def _accuracies(data: Dataset, classifiers: Classifiers) -> Iterator[tuple[str, str, float]]:
    for name, split in zip(SPLITS, (data.train, data.test), strict=True):
        for s, modality in enumerate(TRIPLE if split is not None else ()):
            values, labels = table(split, s)
            guess = torch.cat([classifiers.labels(s, part) for part in values.split(1000)])
            yield name, modality, float((guess == labels).double().mean())
