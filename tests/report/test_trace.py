"""Numbers of the tables found again in ``metrics.csv``: random cells, recomputed without the code of the report."""

import csv
import math
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import t as student

from pimvae import archive, registry
from pimvae.report import job

ROOT = Path(__file__).resolve().parents[2]
METHODS = yaml.safe_load((ROOT / "config" / "methods.yaml").read_text())
GAPS = {"LLH gap": ("llh_gap", "all"), "bound gap": ("bound_gap", "average"), r"$\KL_1$": ("kl_posterior", "unimodal"),
        r"$\KL_M$": ("kl_posterior", "all")}  # fmt: skip
RATES = {"rate": ("rate", "all"), "cross rate": ("cross_rate", "unimodal"), "full": ("reconstruction", "all"),
         "cross": ("reconstruction_cross", "unimodal")}  # fmt: skip
BIMODAL = {"LLH": ("llh", "all"), "gap": ("ceiling_gap", "all"), "MCC": ("mcc_strong_mean", "all"),
           r"MCC$_{\beta=.1}$": ("mcc_strong_mean", "all", 0.1), "label": ("accuracy", "vector")}  # fmt: skip
VIEWS = {"LLH": ("llh", "all"), "gap": ("ceiling_gap", "all"), "strong": ("mcc_strong_mean", "all"),
         "weak": ("mcc_weak_mean", "all"), "clusters": ("cluster_accuracy", "all")}  # fmt: skip
SAMPLES = {"strong": ("mcc_strong_sample", "all"), "weak": ("mcc_weak_sample", "all"),
           "strong, in": ("mcc_strong_mean_in", "all"), "weak, in": ("mcc_weak_mean_in", "all")}  # fmt: skip
IMAGES = {"mnist": "M", "svhn": "S", "text": "T"}
LIKELIHOODS = {"M+S+T": ("llh", "all"), **{short: ("llh", name) for name, short in IMAGES.items()},
               r"$\hat k>.7$": ("k_hat_above", "all")}  # fmt: skip
PRIOR = {"coh.": ("coherence", "prior"), "FD$_M$": ("frechet", "mnist"), "FD$_S$": ("frechet", "svhn"),
         **{f"acc$_{{{short}}}$": ("latent_accuracy", name) for name, short in IMAGES.items()},
         "acc$_{all}$": ("latent_accuracy", "mnist_svhn_text")}  # fmt: skip


def coherence(to: str) -> dict[str, tuple[str, str]]:
    """From every subset to one modality."""
    subsets = [given for size in (1, 2, 3) for given in combinations(IMAGES, size)]
    return {"+".join(IMAGES[name] for name in given): ("coherence", f"{'_'.join(given)}_to_{to}") for given in subsets}


# Of every table: experiment, data sets, split, and the metric and subset below each heading (β where it is not 1).
TABLES = {
    "t1_dense_digits": ("linear", ["dense", "digits"], "train", GAPS),
    "t1_rates": ("linear", ["dense", "digits"], "train", RATES),
    "t2_sparse": ("linear", ["sparse"], "train", GAPS),
    "t2_rates": ("linear", ["sparse"], "train", RATES),
    "t3_bimodal": ("bimodal", ["clusters"], "test", BIMODAL),
    "t3_training": ("bimodal", ["clusters"], "train", BIMODAL),
    "t3_rates": ("bimodal", ["clusters"], "test", RATES),
    "t4_multimodal": ("multimodal", ["complete"], "test", VIEWS),
    "t4_rates": ("multimodal", ["complete", "half"], "test", RATES),
    "t4_samples": ("multimodal", ["complete", "half"], "test", SAMPLES),
    "t5_missing": ("multimodal", ["half"], "test", VIEWS),
    "t5_laplace": ("multimodal", ["laplace"], "test", VIEWS),
    "t6_images": ("images", ["triples"], "test", LIKELIHOODS),
    **{f"t7_coherence_{to}": ("images", ["triples"], "test", coherence(to)) for to in IMAGES},
    "t8_unconditional": ("images", ["triples"], "test", PRIOR),
}
# Panels below the grid, whose rows have an objective of their own: that of the panel, or the one that the row names.
BLOCKS = {
    "mixture bound without the empty set": "mixture_nonempty",
    "published baselines, each with its bound": None,
}
SAMPLED = 10  # cells of each table


@pytest.fixture(scope="module", params=["made up", *archive.shipped_scales(ROOT)])
def source(request, folder, written, tmp_path_factory) -> tuple[Path, Path]:
    """Collected results and the tables made from them: of the tests, and of every scale that is shipped."""
    if request.param == "made up":
        return folder, written
    folder = tmp_path_factory.mktemp("shipped")
    archive.unpack(ROOT / "results" / "shipped" / request.param, folder)
    out = tmp_path_factory.mktemp("tables")
    job.tables(folder, out, only=list(TABLES))
    return folder, out


def names_of(kind: str) -> dict[str, str]:
    """From the label that is shown to the name in the metrics."""
    return {entry["label"]: name for name, entry in METHODS[kind].items()}


def aggregator(label: str) -> str:
    private = label.endswith(" (private)")
    return "private_" * private + names_of("aggregators")[label.removesuffix(" (private)")]


def shown_cells(text: str) -> list[tuple[str, str, str, str, str, str]]:
    """Panel, block below it, bound, heading, row and content of every cell of a table."""
    found, bounds, headings, title, block = [], [], [], "", ""
    for line in text.splitlines():
        if groups := re.findall(r"\\multicolumn\{(\d+)\}\{c\}\{(\w+) bound\}", line):
            bounds = [name for count, name in groups for _ in range(int(count))]
        elif panel := re.search(r"\\emph\{(.*)\}\} \\\\", line):
            block = panel.group(1) if panel.group(1) in BLOCKS else ""
            title = title if block else panel.group(1)
        elif line.startswith(" & ") and bounds:
            headings = line.removesuffix(r" \\").split(" & ")[1:]
        elif " & " in line and headings:
            row, *contents = line.removesuffix(r" \\").split(" & ")
            found += [(title, block, *place, row, content)
                      for *place, content in zip(bounds, headings, contents, strict=True)]  # fmt: skip
    return found


def numbers(content: str) -> list[tuple[float, float]]:
    """The numbers of a cell, each with half a unit of its last digit."""
    content = re.sub(r"\\,\\(?:diverged|untrained|collapsed)\{\d+\}", "", content).replace(r"\ensuremath{-}", "-")
    power = re.search(r"\\cdot 10\^\{(-?\d+)\}", content)
    scale = 10.0 ** int(power.group(1)) if power else 1.0
    plain = re.sub(r"\\ensuremath\{\\cdot.*|\\cdot.*", "", content)
    return [(float(text) * scale, 0.5000001 * scale * 10.0 ** -len(text.partition(".")[2]))
            for text in re.findall(r"-?\d+(?:\.\d+)?", plain)]  # fmt: skip


def place_of(half: float) -> int:
    """The decimal place to which an interval is shown: its first digit, its second if the first is 1."""
    exponent = math.floor(math.log10(half))
    return exponent - (round(half / 10.0**exponent, 1) < 2)


def values_of(
    rows: list[dict[str, str]], table: str, panel: str, block: str, bound: str, heading: str, row: str
) -> list[float]:
    """The values over seeds in ``metrics.csv``, diverged replicas left out, times the factor of the metric."""
    experiment, datasets, split, headings = TABLES[table]
    metric, subset, beta = (*headings[heading], 1.0)[:3]
    first, _, second = panel.rpartition(", ")
    dataset = names_of("datasets")[first or panel] if len(datasets) > 1 else datasets[0]
    prior = "standard" if experiment in ("linear", "images") else names_of("priors")[second]
    where = {"experiment": experiment, "dataset": dataset, "prior": "standard" if block else prior}
    if block and not BLOCKS[block]:
        where |= {"objective": names_of("objectives")[row]}
    else:
        where |= {"objective": BLOCKS[block] if block else bound, "aggregator": aggregator(row)}
    mine = [r for r in rows if all(r[key] == value for key, value in where.items()) and float(r["beta"]) == beta]
    diverged = {r["seed"] for r in mine if r["metric"] == "diverged" and float(r["value"])}
    factor = METHODS["metrics"][metric].get("factor", 1)
    wanted = metric, subset, split
    return [factor * float(r["value"]) for r in mine
            if (r["metric"], r["subset"], r["split"]) == wanted and r["seed"] not in diverged]  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_random_cells_are_found_again_in_the_metrics(source, table):
    folder, tables = source
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if float(row.get("share") or 1) == 1 and not row.get("baseline")]
    text = (tables / f"{table}.tex").read_text()
    others = {METHODS["aggregators"]["true_model"]["label"], *names_of("baselines")}
    cells = [cell for cell in shown_cells(text) if cell[4] not in others]
    experiment, datasets, *_ = TABLES[table]
    if not any(row["experiment"] == experiment and row["dataset"] in datasets for row in rows):
        assert not cells
        return
    for index in np.random.default_rng(len(table)).permutation(len(cells))[:SAMPLED]:
        *place, content = cells[index]
        values, shown = values_of(rows, table, *place), numbers(content)
        if place[1] and place[2] != "masked":  # blocks stand under the first bound only
            assert not shown, (place, content)
            continue
        if not values:
            assert not shown, (place, content)
            continue
        expected = [np.mean(values)]
        if len(shown) > 1:
            expected.append(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
        for (number, precision), value in zip(shown, expected, strict=True):
            coarse = 0.5 * 10.0 ** place_of(expected[1]) if len(shown) > 1 else 0.0
            assert math.isclose(number, value, rel_tol=0, abs_tol=max(precision, coarse)), (place, content)


# Not traced here, as their cells are not the mean of one metric of one cell, or stand elsewhere than under a bound.
OTHERS = {
    "t9_compute", "t9_compute_images",  # times and sizes, of runs.csv
    "t10_claims", "t11_verdicts",  # verdicts, which test_claims.py and test_audit.py decide by hand
    "ceiling_check", "likelihood_check",  # largest and mean errors of estimates
    "t11_audit",  # differences of arms, means over schemes paired by seed: see test_audit.py
    "t12_classifiers",  # of classifiers, which have no replicas: see test_images.py
    "t13_aggregators",  # bounds are its panels and data sets its columns
}  # fmt: skip


def test_every_table_of_metrics_is_looked_at():
    assert set(registry.names("report.tables")) == {*TABLES, *OTHERS}
    assert set(registry.page("report.tables")) == set(TABLES)
