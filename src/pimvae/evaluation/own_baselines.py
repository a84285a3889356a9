"""Simple models beside those of own data: is the model any good?"""

__all__ = ["Baselines", "modality_subset", "score"]

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import gammaln

from pimvae.data.modality import Modality
from pimvae.evaluation.gaussian_em import FLOOR, GaussianMixture, fit_mixture, probabilistic_pca
from pimvae.evaluation.oracle import LOG_2PI
from pimvae.training.packing import PackedSplit

RIDGE, WIDEST = 0.1, 2000  # shrinkage of the one Gaussian; columns beyond which it is left out
STEPS = 50  # of EM at most, where entries are missing; without, it ends after two
CONTINUOUS = ("gaussian", "image")
Score = tuple[str, str, str, np.ndarray]  # baseline, subset, metric, a number per sample, whose mean is the metric


class Baselines:
    """``independent`` columns, one ``gaussian``, ``ppca``, and ``regression`` (ridge or logistic) of each modality.

    Densities of all that is observed: ``gaussian`` and ``ppca`` are of the Gaussian modalities, times a logistic
    regression of every categorical modality on them, times independent columns of the other kinds. Missing modalities
    are integrated out, also where the two are fitted (as inputs of a regression they are at their mean).

    Args:
        modalities: of the data.
        train: training samples in the model's numbers.
    """

    def __init__(self, modalities: Sequence[Modality], train: PackedSplit) -> None:
        self.modalities = tuple(modalities)
        self.x, self.mask = _columns(train), train.mask.numpy()
        self.places = [s for s, m in enumerate(self.modalities) if m.kind in CONTINUOUS]
        self.means = [x[seen].mean(0) for x, seen in zip(self.x, self.mask.T, strict=True)]
        self.classifiers = {s: self._regression(s, self.places) for s, m in enumerate(self.modalities)
                            if m.kind == "categorical"}  # fmt: skip
        self.gaussians = self._gaussians()

    def scores(self, data: PackedSplit) -> Iterator[Score]:
        """What each model says of these samples, in the units of the data."""
        x, mask = _columns(data), data.mask.numpy()
        jacobian = mask @ np.array([m.log_jacobian for m in self.modalities])
        independent = sum(mask[:, s] * self._independent(s, x[s]) for s in range(len(x)))
        yield "independent", "all", "llh", independent + jacobian
        rest = sum((mask[:, s] * self._given_numbers(s, x, mask) for s in range(len(x)) if s not in self.places), 0.0)
        for name, model in self.gaussians.items():
            joint = np.zeros(len(mask))
            some = mask[:, self.places].any(1)
            joint[some] = model.log_likelihood(*(part[some] for part in self._numbers(x, mask)))
            yield name, "all", "llh", joint + rest + jacobian
        for s, modality in enumerate(self.modalities):
            both = np.flatnonzero(mask[:, s] & (mask.sum(1) > 1))
            others = [t for t in range(len(x)) if t != s]
            model = self._regression(s, others)
            if len(both) < 2 or model is None:
                continue
            mean = _predicted(model, self._inputs(others, [v[both] for v in x], mask[both]), modality.dim)
            for metric, values in score(modality, x[s][both], mean):
                yield "regression", modality_subset(modality.name), metric, values

    def _independent(self, s: int, x: np.ndarray) -> np.ndarray:
        """log p of the modality with independent columns."""
        kind, mean = self.modalities[s].kind, self.means[s]
        seen = self.x[s][self.mask[:, s]]
        if kind in CONTINUOUS:
            scale = np.maximum(seen.std(0), 1e-6)
            return (-0.5 * ((x - mean) / scale) ** 2 - np.log(scale) - 0.5 * LOG_2PI).sum(1)
        if kind == "categorical":
            smooth = (seen.sum(0) + 0.5) / (len(seen) + 0.5 * len(mean))
            return x @ np.log(smooth)
        if kind == "binary":
            smooth = (seen.sum(0) + 0.5) / (len(seen) + 1)
            return x @ np.log(smooth) + (1 - x) @ np.log(1 - smooth)
        mean = np.maximum(mean, 1e-3)
        if kind == "poisson":
            return (x * np.log(mean) - mean - gammaln(x + 1)).sum(1)
        size = mean**2 / np.maximum(seen.var(0) - mean, 1e-3 * mean)  # of the moments
        choose = gammaln(x + size) - gammaln(size) - gammaln(x + 1)
        return (choose + size * np.log(size / (size + mean)) + x * np.log(mean / (size + mean))).sum(1)

    def _given_numbers(self, s: int, x: Sequence[np.ndarray], mask: np.ndarray) -> np.ndarray:
        """log p of a modality that is not Gaussian, given those that are."""
        model = self.classifiers.get(s)
        if model is None:
            return self._independent(s, x[s])
        probabilities = _predicted(model, self._inputs(self.places, x, mask), self.modalities[s].dim)
        return np.log(np.maximum((probabilities * x[s]).sum(1), 1e-6))

    def _inputs(self, places: Sequence[int], x: Sequence[np.ndarray], mask: np.ndarray) -> np.ndarray:
        """Modalities side by side, at their means where missing; counts by their logarithm."""
        parts = []
        for t in places:
            filled = np.where(mask[:, t : t + 1], x[t], self.means[t])
            parts.append(np.log1p(filled) if self.modalities[t].kind in ("counts", "poisson") else filled)
        return np.concatenate(parts, 1) if parts else np.zeros((len(mask), 0))

    def _regression(self, s: int, places: Sequence[int]) -> Any:
        """Ridge regression (strength by cross-validation), or logistic regression of classes; None if not possible."""
        from sklearn.linear_model import LogisticRegression, RidgeCV

        rows = self.mask[:, s]
        rows = rows & self.mask[:, list(places)].any(1) if places else rows & False
        x = self._inputs(places, self.x, self.mask)[rows]
        if len(x) < 5 or not x.shape[1] or x.shape[1] > WIDEST:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged: it is a baseline
            if self.modalities[s].kind != "categorical":
                return RidgeCV(np.logspace(-3, 4, 15)).fit(x, self.x[s][rows])
            classes = self.x[s][rows].argmax(1)
            return LogisticRegression(max_iter=1000).fit(x, classes) if len(np.unique(classes)) > 1 else None

    def _gaussians(self) -> dict[str, GaussianMixture]:
        """Of the Gaussian modalities: of any covariance, and of rank k plus noise, k half of the columns, 1 … 16."""
        if not self.places:
            return {}
        x, observed = self._numbers(self.x, self.mask)
        rows, width = observed.any(1), x.shape[1]
        if width > WIDEST or rows.sum() < 3:
            return {}
        weight = width / (width + rows.sum()) * RIDGE

        def shrunk(covariance: np.ndarray) -> np.ndarray:
            return (1 - weight) * covariance + weight * np.diag(np.maximum(np.diag(covariance), FLOOR))

        rank = max(1, min(16, width // 2))
        constraints = {"gaussian": shrunk} | ({"ppca": probabilistic_pca(rank)} if rank < width else {})
        return {name: fit_mixture(x[rows], observed[rows], constraint, iterations=STEPS)
                for name, constraint in constraints.items()}  # fmt: skip

    def _numbers(self, x: Sequence[np.ndarray], mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The Gaussian modalities side by side, and which entries are observed."""
        widths = [x[s].shape[1] for s in self.places]
        return np.concatenate([x[s] for s in self.places], 1), np.repeat(mask[:, self.places], widths, axis=1)


def modality_subset(name: str) -> str:
    """What the column ``subset`` holds of one modality: no name of a modality can be mistaken for another subset."""
    return f"modality:{name}"


def score(modality: Modality, true: np.ndarray, mean: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """``accuracy`` of classes and binary columns, ``r2`` (mean over the columns that vary) of numbers.

    Each as one number per sample [n], whose mean is the metric; a sample's share of R² is 1 − (x − x̂)² / var(x).

    Args:
        modality: of the values.
        true: the model's numbers [n, D].
        mean: predictions [n, D].
    """
    if modality.kind == "categorical":
        yield "accuracy", (mean.argmax(1) == true.argmax(1)).astype(float)
    elif modality.kind == "binary":
        yield "accuracy", ((mean > 0.5) == (true > 0.5)).mean(1)
    else:
        total = ((true - true.mean(0)) ** 2).mean(0)
        varies = total > 0
        if varies.any():
            yield "r2", (1 - (true - mean)[:, varies] ** 2 / total[varies]).mean(1)


def _columns(data: PackedSplit) -> list[np.ndarray]:
    """Values of every modality without padding, float64 [n, D_s]."""
    return [data.x[s, :, :dim].double().numpy() for s, dim in enumerate(data.dims)]


def _predicted(model: Any, x: np.ndarray, dim: int) -> np.ndarray:
    """Expectations [n, D]; probabilities of all classes, those that the regression never saw at 0."""
    if not hasattr(model, "predict_proba"):
        return model.predict(x).reshape(len(x), dim)
    full = np.zeros((len(x), dim))
    full[:, model.classes_] = model.predict_proba(x)
    return full
