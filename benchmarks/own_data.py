"""Own data by default settings on real, small data of scikit-learn, beside simple models: held-out numbers."""

__all__ = ["BREAST_CANCER", "blocks", "main"]

import sys
from collections.abc import Iterator

import numpy as np

BREAST_CANCER = "breast_cancer"
SETS = (BREAST_CANCER, "wine", "diabetes")
HELD_OUT = {BREAST_CANCER: 169, "wine": 48, "diabetes": 110}
Blocks = dict[str, np.ndarray]


def blocks(name: str) -> tuple[Blocks, Blocks]:
    """Training and held-out samples: blocks of columns (logarithms, standardised by the training samples) and a class.

    Breast cancer: three blocks of ten (means, errors, worst) and the diagnosis; wine: two blocks (6 and 7 columns) and
    the cultivar; diabetes: body (age, body-mass index, pressure), six blood values, and how the disease went on.
    """
    from sklearn import datasets

    data = getattr(datasets, f"load_{name}")()
    x = np.asarray(data.data, dtype=float)
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[-HELD_OUT[name] :], order[: -HELD_OUT[name]]
    if name == "diabetes":
        parts = {"body": x[:, [0, 2, 3]], "blood": x[:, 4:], "progression": np.log(data.target)[:, None]}
        labels = {"sex": np.where(x[:, 1] > 0, "b", "a")}
    else:
        x = np.log1p(x)
        cuts = {BREAST_CANCER: {"mean": (0, 10), "error": (10, 20), "worst": (20, 30)},
                "wine": {"acids": (0, 6), "phenols": (6, 13)}}[name]  # fmt: skip
        parts = {key: x[:, low:high] for key, (low, high) in cuts.items()}
        labels = {"class": np.array([str(data.target_names[k]) for k in data.target])}

    def some(rows: np.ndarray) -> Blocks:
        scaled = {key: (v[rows] - v[train].mean(0)) / v[train].std(0) for key, v in parts.items()}
        return scaled | {key: v[rows] for key, v in labels.items()}

    return some(train), some(test)


def main(names: tuple[str, ...] = SETS, seeds: int = 3) -> Iterator[str]:
    """Lines of a table: data, metric, subset, mean over seeds; simple models, and whether the model is better."""
    from pimvae import MultimodalVAE
    from pimvae.data.readers import read_memory
    from pimvae.evaluation.own import AHEAD, evaluate
    from pimvae.report.own_summary import summary

    for name in names:
        train, test = blocks(name)
        model = MultimodalVAE.from_data(train, name=name).fit(train, seeds=seeds, progress=False)
        rows = [row for row in evaluate(model, read_memory(train), read_memory(test)) if row[9] == "test"]
        shown = [row for row in rows if row[11].split(AHEAD)[0] in ("llh", "r2", "accuracy")]
        yield from (f"{name:14} {line}" for line in summary(shown)[:-1])
        yield f"{name:14} {model.seconds:.0f} s for {seeds} seeds"


if __name__ == "__main__":
    for text in main(tuple(sys.argv[1:]) or SETS):
        print(text, flush=True)
