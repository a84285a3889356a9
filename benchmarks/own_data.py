"""Own data by default settings on real, small data of scikit-learn, beside simple models: held-out numbers."""

__all__ = ["BREAST_CANCER", "SETS", "blocks", "differences", "main", "measured"]

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

BREAST_CANCER = "breast_cancer"
SETS = (BREAST_CANCER, "wine", "diabetes", "iris", "digits", "cars")
HELD_OUT = {BREAST_CANCER: 169, "wine": 48, "diabetes": 110, "iris": 50, "digits": 1197, "cars": 112}
CUTS = {BREAST_CANCER: {"mean": (0, 10), "error": (10, 20), "worst": (20, 30)},
        "wine": {"acids": (0, 6), "phenols": (6, 13)}, "iris": {"sepal": (0, 2), "petal": (2, 4)}}  # fmt: skip
ORIGINS = {1: "America", 2: "Europe", 3: "Japan"}
INKED = 0.1  # share of the digits in which a pixel that is kept is not white
METRICS = ("llh", "r2", "accuracy")
AVERAGE = "average"  # of the seeds
COLUMNS = ["data", "split", "seeds", "prior", "metric", "subset", "baseline", "value", "error"]
Blocks = dict[str, np.ndarray]


def blocks(name: str, split: int = 0) -> tuple[Blocks, Blocks]:
    """Training and held-out samples: blocks of columns, standardised by the training samples, and a class.

    Breast cancer: three blocks of ten (means, errors, worst) and the diagnosis; wine: two blocks (6 and 7 columns) and
    the cultivar; iris: sepal and petal (2 columns each) and the species, all three in logarithms; diabetes: body (age,
    body-mass index, pressure), six blood values, how the disease went on, and the sex; digits: the quadrants of 8 × 8
    pixels without those that are nearly always white, and the digit; cars (1970 to 1982, all in logarithms): engine
    (cylinders, displacement, power), weight, driving (acceleration, miles per gallon), year, and the origin.

    Args:
        name: one of `SETS`.
        split: seed of the order of the samples, of which the last ones are held out.
    """
    parts, labels = _parts(name)
    order = np.random.default_rng(split).permutation(len(next(iter(parts.values()))))
    test, train = order[-HELD_OUT[name] :], order[: -HELD_OUT[name]]

    def some(rows: np.ndarray) -> Blocks:
        scaled = {key: (v[rows] - v[train].mean(0)) / v[train].std(0) for key, v in parts.items()}
        return scaled | {key: v[rows] for key, v in labels.items()}

    return some(train), some(test)


def _parts(name: str) -> tuple[Blocks, Blocks]:
    """All samples: blocks of columns, and the class."""
    from mlxtend.data import autompg_data
    from sklearn import datasets

    if name == "cars":
        x, economy = autompg_data()
        x = np.log(np.column_stack([x[:, :7], economy]))
        parts = {"engine": x[:, :3], "body": x[:, 3:4], "driving": x[:, [4, 7]], "year": x[:, 5:6]}
        return parts, {"origin": np.array([ORIGINS[int(k)] for k in np.exp(x[:, 6]).round()])}
    data = getattr(datasets, f"load_{name}")()
    x = np.asarray(data.data, dtype=float)
    if name == "diabetes":
        parts = {"body": x[:, [0, 2, 3]], "blood": x[:, 4:], "progression": np.log(data.target)[:, None]}
        return parts, {"sex": np.where(x[:, 1] > 0, "b", "a")}
    labels = {"class": np.array([str(data.target_names[k]) for k in data.target])}
    if name == "digits":
        halves, inked = {"top": slice(0, 4), "bottom": slice(4, 8)}, (x > 0).mean(0) >= INKED
        sides = {"left": slice(0, 4), "right": slice(4, 8)}
        pixels = np.arange(64).reshape(8, 8)
        places = {f"{h} {s}": pixels[halves[h], sides[s]].ravel() for h in halves for s in sides}
        return {key: x[:, place[inked[place]]] for key, place in places.items()}, labels
    return {key: np.log1p(x[:, low:high]) for key, (low, high) in CUTS[name].items()}, labels


def measured(name: str, split: int, seeds: int = 3) -> Iterator[list[object]]:
    """Rows of the table: held-out numbers of one split, of the seeds (their mean), their average, and simple models.

    ``error`` stands beside a simple model: the standard error of the average minus it, paired sample by sample.
    """
    from pimvae import MultimodalVAE
    from pimvae.data.readers import read_memory
    from pimvae.evaluation.own import AHEAD_ERROR, evaluate

    train, test = blocks(name, split)
    model = MultimodalVAE.from_data(train, name=name).fit(train, seeds=seeds, progress=False)
    found: dict[tuple[str, str, str], list[float]] = {}
    errors: dict[tuple[str, str, str], float] = {}
    for row in evaluate(model, read_memory(train), read_memory(test)):
        baseline, part, subset, metric, value = row[8:]
        plain = metric.removesuffix(AHEAD_ERROR)
        if part == "test" and plain in METRICS and plain != metric:
            errors[plain, subset.removeprefix("modality:"), baseline] = value
        elif part == "test" and metric in METRICS and (metric != "llh" or subset == "all"):
            found.setdefault((metric, subset.removeprefix("modality:"), baseline), []).append(value)
    for (metric, subset, baseline), values in found.items():
        prior = model.cell.model.prior
        numbers = (_number(np.mean(values)), _number(errors.get((metric, subset, baseline))))
        yield [name, split, seeds, prior, metric, subset, baseline or "model", *numbers]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def main(arguments: list[str] | None = None) -> None:
    """Measure what the table lacks; print, for every number, the difference from each simple model over splits."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_data", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SETS)}; default: all")
    parser.add_argument("--splits", type=int, nargs="*", default=[1], help="none: only print the table")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/own_data.csv"))
    options = parser.parse_args(arguments)
    table = pd.read_csv(options.out) if options.out.is_file() else pd.DataFrame(columns=COLUMNS)
    for split in options.splits:
        for name in options.names or SETS:
            if not ((table["data"] == name) & (table["split"] == split)).any():
                rows = pd.DataFrame(measured(name, split), columns=COLUMNS)
                rows.to_csv(options.out, mode="a", header=not options.out.is_file(), index=False)
    print("\n".join(differences(pd.read_csv(options.out))))


def differences(table: pd.DataFrame) -> Iterator[str]:
    """A line per data set, metric and subset: the seeds, their average, and how far it is ahead of each simple model.

    Means over splits; ± two standard errors of differences paired sample by sample.
    """
    for (name, metric, subset), part in table.groupby(["data", "metric", "subset"], sort=False):
        rows = part.astype({"value": float, "error": float}).groupby("baseline", sort=False)
        values, splits = rows["value"].mean(), rows.size()
        errors = rows["error"].agg(lambda error: 2 * float(np.sqrt((error**2).sum())) / len(error))
        line = f"{name} {metric} {subset}, {splits['model']} splits: {values['model']:.3f}, {values[AVERAGE]:.3f}"
        for baseline in values.index.drop(["model", AVERAGE]):
            ahead = values[AVERAGE] - values[baseline]
            line += f"; {baseline} {values[baseline]:.3f} ({ahead:+.3f} ± {errors[baseline]:.3f})"
        yield line


if __name__ == "__main__":
    main()
