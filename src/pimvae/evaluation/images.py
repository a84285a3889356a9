"""Evaluation of experiment 4: likelihood, rates, coherence, latents and looks of generated images and text."""

__all__ = ["ImageEvaluation", "subset_name"]

from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pimvae.data._text import decode
from pimvae.data.dataset import Dataset, spread
from pimvae.evaluation.classifiers import Classifiers, trained_classifiers, untrained
from pimvae.evaluation.coherence import frechet_distance, generate, generate_given, probe_accuracy
from pimvae.evaluation.evaluation import Evaluation
from pimvae.evaluation.rows import TRIPLE, crossing
from pimvae.models.likelihoods.text import POSITIONS, SYMBOLS
from pimvae.subsets import all_subsets
from pimvae.training.packing import IndexedSplit, PackedSplit

SHOWN, SAMPLED = 2, 4  # test triples and unconditional samples in the figures
TEXT = TRIPLE.index("text")
SPLIT = "test"


@dataclass(kw_only=True)
class ImageEvaluation(Evaluation):
    """Held-out triples, where the model was trained.

    Single precision: a log-likelihood of thousands of nats keeps three decimals, and everything takes half the time.

    Attributes:
        classifiers: of the data set, which tell the digit of a generated image or text.
    """

    ON_DEVICE: ClassVar[bool] = True
    classifiers: Classifiers

    @classmethod
    def prepare(cls, data_dir: Path) -> dict[str, Classifiers]:
        """The classifiers of the data set."""
        return {"classifiers": trained_classifiers(data_dir)}

    @classmethod
    def stand_in(cls, data: Dataset) -> dict[str, Classifiers]:
        """The same without training."""
        return {"classifiers": Classifiers(untrained(data)).eval()}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.model.to(torch.float32)
        self.classifiers.to(self.generator.device)

    @torch.no_grad()
    def measure(self) -> dict[str, np.ndarray]:
        """All metrics into ``rows``; returns pictures for the figures (β = 1 only)."""
        rows, sizes, truth = self.rows, self.sizes, self.data.test.truth["labels"]
        test = self.first("test", max(sizes.samples, sizes.llh_samples))
        part, labels = test.spread(sizes.samples), truth[spread(len(test), sizes.samples)]
        if rows.is_reference:
            self._likelihoods(test.spread(sizes.llh_samples))
        if rows.scope == "distance":
            return {}
        self.rates(part, SPLIT)
        if rows.scope != "all" and not rows.is_reference:
            return {}
        self.conditional(part.x, labels)
        self._unconditional(part)
        self._latents(part.x, labels)
        if not rows.is_reference or rows.scope != "all":
            return {}
        return self._pictures(part.spread(SHOWN)) | {"provenance": np.array(self.data.provenance)}

    def first(self, name: str, count: int) -> PackedSplit:
        """The first triples of a split (their order is random), as many as there are up to ``count``."""
        split, device = self.split(name), self.generator.device
        rows = torch.arange(min(count, len(split)), device=device)
        return PackedSplit(*IndexedSplit(split, self.data.max_dim, device).batch(rows), split.dims)

    def _likelihoods(self, part: PackedSplit) -> None:
        """log p(x_M, x_S, x_T) and, after all steps, log p(x_s) of every modality alone; unweighted."""
        self.likelihoods(part, SPLIT)
        for s, name in enumerate(TRIPLE if self.rows.scope == "all" else ()):
            alone = torch.arange(self.model.modalities, device=part.mask.device) == s
            self.likelihoods(PackedSplit(part.x, alone.expand_as(part.mask), part.dims), SPLIT, name)

    def conditional(self, x: Tensor, labels: np.ndarray) -> None:
        """Share of samples generated from x_S that show the digit of x_S: every S, every modality.

        ``cross`` is the mean over s ∉ S.
        """
        model, true = self.model, torch.from_numpy(labels).to(x.device)
        tokens, cross = model.embed(x), []
        for subset in all_subsets(model.modalities)[1:]:
            generated = generate_given(model, tokens, subset.to(x.device), self.generator)
            for s, name in enumerate(TRIPLE):
                share = float((self.classifiers.labels(s, generated[s]) == true).double().mean())
                self.rows.add("coherence", share, crossing(subset_name(subset), name), SPLIT)
                if not subset[s]:
                    cross.append(share)
        self.rows.add("coherence", float(np.mean(cross)), "cross", SPLIT)

    def _unconditional(self, part: PackedSplit) -> None:
        """Share of prior samples whose modalities all show one digit; Fréchet distances of the images."""
        model, classifiers = self.model, self.classifiers
        generated = generate(model, model.sample_prior(len(part), self.generator))
        found = torch.stack([classifiers.labels(s, values) for s, values in enumerate(generated)])
        self.rows.add("coherence", float((found == found[0]).all(0).double().mean()), "prior", SPLIT)
        for s, name in enumerate(TRIPLE[:TEXT]):
            real = classifiers.features(s, part.x[s, :, : part.dims[s]])
            self.rows.add("frechet", frechet_distance(real, classifiers.features(s, generated[s])), name, SPLIT)

    def _latents(self, test: Tensor, labels: np.ndarray) -> None:
        """Accuracy of a logistic regression on posterior means, fitted on training triples, for every subset."""
        model, train = self.model, self.first("train", self.sizes.samples)
        train_labels = self.data.train.truth["labels"][: len(train)]
        tokens = model.embed(train.x), model.embed(test)
        for subset in all_subsets(model.modalities)[1:]:
            seen = subset.to(test.device)
            means = [model.aggregator.pool(t, seen.expand(t.shape[0], -1)).mean().cpu().numpy() for t in tokens]
            accuracy = probe_accuracy(means[0], train_labels, means[1], labels)
            self.rows.add("latent_accuracy", accuracy, subset_name(subset), SPLIT)

    def _pictures(self, part: PackedSplit) -> dict[str, np.ndarray]:
        """Triples as bytes and text: ``true_*`` [k], ``given`` [7, 3], ``given_*`` [7, k] and ``prior_*`` [p]."""
        model, subsets = self.model, all_subsets(self.model.modalities)[1:]
        tokens = model.embed(part.x)
        given = [generate_given(model, tokens, subset.to(part.x.device), self.generator) for subset in subsets]
        true = [part.x[s, :, :dim] for s, dim in enumerate(part.dims)]
        stacked = [torch.stack(values) for values in zip(*given, strict=True)]
        prior = generate(model, model.sample_prior(SAMPLED, self.generator))
        found = {"given": subsets.numpy()}
        for prefix, triple in (("true", true), ("given", stacked), ("prior", prior)):
            found |= {f"{prefix}_{name}": self._shown(s, triple[s]) for s, name in enumerate(TRIPLE)}
        return found

    def _shown(self, s: int, values: Tensor) -> np.ndarray:
        """Bytes [..., channel, row, column], or greedy texts [...]."""
        if s == TEXT:
            symbols = values.unflatten(-1, (POSITIONS, SYMBOLS)).argmax(-1)
            return np.array(decode(symbols.reshape(-1, POSITIONS).cpu().numpy())).reshape(values.shape[:-1])
        shape = self.classifiers.images[s].shape
        return (255 * values).round().to(torch.uint8).cpu().numpy().reshape(*values.shape[:-1], *shape)


def subset_name(subset: Tensor) -> str:
    """``mnist_text`` for S = {MNIST, text}."""
    return "_".join(compress(TRIPLE, subset.tolist()))
