"""Shipped log-likelihoods against each other: one that is near the exact value is not below what sampling finds."""

from pathlib import Path

import pandas as pd
import pytest

from pimvae import archive
from pimvae.results.files import KEYS

ROOT = Path(__file__).parents[2]
SHIPPED = archive.shipped_scales(ROOT)
ONE = [*KEYS, "seed", "split", "subset"]


@pytest.fixture(scope="module", params=SHIPPED)
def estimates(request) -> pd.DataFrame:
    """A row per replica of E4 and what is observed: both estimates and what is said of them."""
    metrics = pd.read_csv(ROOT / "results" / "shipped" / request.param / "metrics.csv.gz", low_memory=False)
    names = ["llh", "llh_error", "llh_encoder", "llh_encoder_se"]
    rows = metrics[(metrics["experiment"] == "images") & (metrics["share"] == 1) & metrics["metric"].isin(names)]
    rows = rows[rows["baseline"].isna()]
    if rows.empty:
        pytest.skip("images were not run")
    return rows.pivot_table(index=ONE, columns="metric", values="value")


def test_the_encoder_as_proposal_finds_no_more(estimates):
    """It is the logarithm of an unbiased estimate: three of its errors above the other, the other is wrong."""
    beyond = estimates["llh_encoder"] - estimates["llh"] - 3 * estimates["llh_encoder_se"]
    assert beyond.max() < 0.2


def test_the_errors_are_those_of_a_near_exact_value(estimates):
    """Much below what claims compare, tens of nats; of few, some point's two estimates differ, which is stated."""
    assert estimates["llh_error"].median() < 0.2 and (estimates["llh_error"] > 3).mean() < 0.02
