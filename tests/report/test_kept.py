"""Verdicts that are kept are those that were judged, and only of what they were judged from."""

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest

from pimvae.claims.kept import KEPT, keep, kept
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import config_path
from pimvae.report import job
from pimvae.results.files import Results


@pytest.fixture
def decided(folder: Path, tmp_path: Path) -> Path:
    """Results with the verdicts on them."""
    place = tmp_path / "results"
    shutil.copytree(folder, place)
    job.claims(place)
    return place


def assert_same(one: Judgement, other: Judgement) -> None:
    assert type(one) is type(other)
    for name in (field.name for field in fields(one)):
        first, second = getattr(one, name), getattr(other, name)
        if isinstance(first, pd.DataFrame):
            pd.testing.assert_frame_equal(first, second, check_exact=True)
        elif isinstance(first, Judgement):
            assert_same(first, second)
        else:
            assert first == second or (first != first and second != second), name


def refuse(*_: object) -> None:
    raise AssertionError("judged once more")


def test_what_is_kept_is_what_was_judged(decided: Path, tmp_path: Path):
    results = Results.load(decided)
    fresh = job.judge(results)
    for one, other in zip(fresh, job.judge(results, None, decided), strict=True):
        assert_same(one, other)
    halved = [replace(one, half=one) for one in fresh]
    keep(tmp_path, halved, "key")
    assert kept(tmp_path, "another key") is None
    for one, other in zip(halved, kept(tmp_path, "key"), strict=True):
        assert_same(one, other)


def test_tables_text_and_figures_are_made_from_it(decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def made(place: Path) -> dict[str, bytes]:
        job.tables(decided, place, only=["t10_claims", "t11_verdicts"])
        job.figures(decided, place, only=["f9_claims"])
        job.macros(decided, place / "macros.tex", "smoke")
        return {path.name: path.read_bytes() for path in place.iterdir() if path.suffix != ".pdf"}

    verdicts = (decided / KEPT).read_bytes()
    (decided / KEPT).unlink()
    expected = made(tmp_path / "judged")
    (decided / KEPT).write_bytes(verdicts)
    monkeypatch.setattr(job, "evaluate", refuse)
    assert made(tmp_path / "kept") == expected


def changed_metrics(place: Path) -> Path | None:
    metrics = pd.read_csv(place / "metrics.csv", keep_default_na=False)
    metrics[:-1].to_csv(place / "metrics.csv", index=False, lineterminator="\n")
    return None


def changed_compressed(place: Path) -> Path | None:
    """Where results are as they were shipped."""
    metrics = (place / "metrics.csv").read_bytes()
    (place / "metrics.csv").unlink()
    (place / "metrics.csv.gz").write_bytes(gzip.compress(metrics))
    job.claims(place)
    (place / "metrics.csv.gz").write_bytes(gzip.compress(metrics[: metrics[:-1].rindex(b"\n") + 1]))
    return None


def changed_settings(place: Path) -> Path | None:
    with (place / "settings.csv").open("a") as file:
        file.write("linear,dense,poe,masked,standard,claims.C1a,another rule\n")
    return None


def changed_claims(place: Path) -> Path:
    path = place.with_name("claims.yaml")
    path.write_text(config_path("claims.yaml").read_text().replace("relevant: 0.05", "relevant: 0.04", 1))
    return path


def damaged(place: Path) -> Path | None:
    (place / KEPT).write_bytes((place / KEPT).read_bytes()[:-10])
    return None


def no_verdicts(place: Path) -> Path | None:
    (place / KEPT).write_text(json.dumps([1, 2]))
    return None


@pytest.mark.parametrize(
    "change", [changed_metrics, changed_compressed, changed_settings, changed_claims, damaged, no_verdicts]
)
def test_of_anything_else_it_is_judged_anew(
    decided: Path, change: Callable[[Path], Path | None], monkeypatch: pytest.MonkeyPatch
):
    claims = change(decided)
    monkeypatch.setattr(job, "evaluate", refuse)
    with pytest.raises(AssertionError, match="judged once more"):
        job.judge(Results.load(decided), claims, decided)
