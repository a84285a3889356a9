"""Status of replicas against the simplest model of their data."""

import pandas as pd

from pimvae.claims.status import replica_status
from pimvae.results.files import COLUMNS


def rows(aggregator: str, llh: list[float], rate: float | None = None, name: str = "") -> list[list[object]]:
    found = []
    for seed, value in enumerate(llh):
        keys = ["multimodal", "complete", aggregator, "masked", "standard", 1.0, seed, 1.0, name, "test", "all"]
        found.append([*keys, "llh", value])
        found += [[*keys, "rate", rate]] if rate is not None else []
        found.append([*keys, "diverged", 0.0])
    return found


BASELINE = pd.DataFrame(rows("none", [-154.0, -155.0, -156.0], name="independent"), columns=COLUMNS)


def status(found: list[list[object]], baselines: pd.DataFrame = BASELINE) -> list[str]:
    return replica_status(pd.DataFrame(found, columns=COLUMNS), baselines)["status"].tolist()


def test_trained_untrained_and_collapsed():
    assert status(rows("poe", [-140.0, -141.0, -142.0], rate=9.0)) == ["trained"] * 3
    assert status(rows("moe", [-158.0, -140.0, -170.0], rate=9.0)) == ["untrained", "trained", "untrained"]
    assert status(rows("moe", [-154.1, -154.9, -156.0], rate=0.02)) == ["collapsed"] * 3
    assert status(rows("moe", [-154.1, -154.9, -156.0], rate=3.0)) == ["trained"] * 3
    assert status(rows("moe", [-154.1, -154.9, -156.0])) == ["collapsed"] * 3


def test_divergence_comes_first_and_needs_no_baseline():
    found = rows("poe", [-140.0, -141.0])
    found[1][-1] = 1.0
    assert status(found) == ["diverged", "trained"]
    assert status(found, BASELINE[:0]) == ["diverged", "trained"]


def test_what_diverged_does_not_speak_for_its_cell():
    """Two replicas are as good as the baseline, at a rate near 0; a third, which diverged, is far below."""
    found = rows("moe", [-151.0, -158.0, -9999.0], rate=0.02)
    found[-1][-1] = 1.0
    assert status(found) == ["collapsed", "collapsed", "diverged"]
