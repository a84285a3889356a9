"""What became of a replica, by hand."""

import pandas as pd

from pimvae.claims.status import replica_status
from pimvae.results.files import COLUMNS


def row(seed: int, metric: str, value: float, baseline: str = "") -> tuple:
    keys = ("none", "none", "none") if baseline else ("moe", "masked", "standard")
    return ("linear", "dense", *keys, 1.0, seed, 1.0, baseline, "train", "all", metric, value)


def test_below_equal_and_above_the_simplest_model():
    llh = {0: -90.0, 1: -100.05, 2: -101.0, 3: -99.95, 4: -90.0}
    rates = {0: 3.0, 1: 0.02, 2: 1.0, 3: 5.0, 4: 1.0}
    rows = [row(seed, "llh", value) for seed, value in llh.items()]
    rows += [row(seed, "rate", value) for seed, value in rates.items()]
    rows += [row(seed, "diverged", float(seed == 4)) for seed in llh]
    metrics = pd.DataFrame(rows, columns=COLUMNS)
    simple = pd.DataFrame([row(seed, "llh", -100.0, "no_latent") for seed in llh], columns=COLUMNS)
    found = replica_status(metrics, simple).set_index("seed")["status"].to_dict()
    assert found == {0: "trained", 1: "collapsed", 2: "untrained", 3: "trained", 4: "diverged"}
    unknown = replica_status(metrics, pd.DataFrame(columns=COLUMNS)).set_index("seed")["status"].to_dict()
    assert unknown == dict.fromkeys(range(4), "trained") | {4: "diverged"}
