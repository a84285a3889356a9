"""Random damage to everything that is read: an answer or one line, never a traceback, never without end."""

import copy
import io
import json
import os
import resource
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from report.synthetic import write_cells

from pimvae import chain
from pimvae.claims.schema import read_claims
from pimvae.config.files import ExperimentFile, ScaleFile, Settings, read
from pimvae.data.readers.npz import read_npz
from pimvae.errors import UserError
from pimvae.results import collect

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import strategies as st  # noqa: E402

ROOT = Path(__file__).parents[1]
EXAMPLES = int(os.environ.get("PIMVAE_FUZZ_EXAMPLES", "200"))  # a nightly run sets 2000
GROWTH = 2**30  # bytes of memory
fuzz = hypothesis.settings(
    max_examples=max(1, EXAMPLES // 4),  # four kinds of files
    deadline=None,
    derandomize=EXAMPLES <= 200,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
FILES = [("config.yaml", Settings), ("experiments/linear.yaml", ExperimentFile), ("scales/smoke.yaml", ScaleFile),
         ("claims.yaml", None)]  # fmt: skip
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9),
    st.sampled_from([[], {}, [[{}]], 10**400, "*a", "<<", "\0", "9" * 99, {1: 2}, float("inf"), -1, 0]),
)  # fmt: skip
CUTS = st.tuples(st.floats(0, 1), st.binary(max_size=8), st.integers(0, 40))


def growth() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture(autouse=True)
def bounded():
    before = growth()
    yield
    assert growth() - before < GROWTH


def one_line(run) -> None:
    try:
        run()
    except UserError as error:
        assert len(str(error)) < 5000
    except OSError as error:
        assert error.filename is not None


def spoil(content: bytes, cut: tuple[float, bytes, int]) -> bytes:
    """Some bytes are replaced by others."""
    place, new, lost = cut
    start = int(place * len(content))
    return content[:start] + new + content[start + lost :]


def grafted(data, value):
    """The value with one part, drawn at random, replaced by something odd."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 4)):
        key = data.draw(st.sampled_from(sorted(value, key=str)))
        return {**value, key: grafted(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 4)):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], grafted(data, value[place]), *value[place + 1 :]]
    return data.draw(ODD)


@fuzz
@hypothesis.given(st.data(), st.sampled_from(FILES), CUTS, st.booleans())
def test_yaml(tmp_path_factory, data, file, cut, as_text):
    name, model = file
    content = (ROOT / "config" / name).read_bytes()
    if as_text:
        content = spoil(content, cut)
    else:
        content = yaml.safe_dump(grafted(data, copy.deepcopy(yaml.safe_load(content)))).encode()
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(content)
    one_line(lambda: read_claims(path) if model is None else read(path, model))


def archive(draw) -> bytes:
    """Arrays of odd types and shapes, in a sound archive."""
    kinds = st.sampled_from(["f4", "f8", "i1", "i8", "u8", "?", "c8", "U3", "S2", "M8[s]"])
    shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
    names = st.sampled_from(["x", "y", "mask", "x_test", "y_test", "mask_test", "", "_test"])
    arrays = {}
    for name in draw(st.lists(names, min_size=1, max_size=5)):
        number = draw(st.sampled_from([0, 1, -1, 5, 100, 2**31]))
        with np.errstate(all="ignore"):
            arrays[name] = np.full(draw(shapes), number, dtype="i8").astype(draw(kinds))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.save(member, values, allow_pickle=False)
            opened.writestr(f"{name}.npy", member.getvalue())
    return file.getvalue()


@pytest.mark.filterwarnings("ignore")
@fuzz
@hypothesis.given(st.data(), CUTS, st.booleans())
def test_archives(tmp_path_factory, data, cut, damaged):
    content = archive(data.draw)
    path = tmp_path_factory.getbasetemp() / "fuzz.npz"
    path.write_bytes(spoil(content, cut) if damaged else content)
    one_line(lambda: read_npz(path))


@pytest.fixture(scope="module")
def cell(tmp_path_factory) -> Path:
    return write_cells(tmp_path_factory.mktemp("fuzz"), range(1))[0]


@fuzz
@hypothesis.given(st.data(), CUTS, st.booleans())
def test_records(cell, data, cut, as_text):
    """Also a record whose checksum is right, as another version would write it."""
    path = cell / "run.json"
    before, sealed = path.read_bytes(), (cell / "metrics.json").read_bytes()
    try:
        if as_text:
            path.write_bytes(spoil(before, cut))
        else:
            record = grafted(data, json.loads(before))
            rest = {key: record[key] for key in record if key != chain.DIGEST} if isinstance(record, dict) else {}
            chain.write_record(cell, rest)
            one_line(lambda: chain.seal(cell))
        one_line(lambda: collect.run([cell], cell.parent / "out"))
    finally:
        path.write_bytes(before)
        (cell / "metrics.json").write_bytes(sealed)


@pytest.mark.filterwarnings("ignore")
@fuzz
@hypothesis.given(CUTS, st.booleans())
def test_metrics(cell, cut, resealed):
    path = cell / "metrics.csv"
    before, sealed = path.read_bytes(), (cell / "metrics.json").read_bytes()
    try:
        path.write_bytes(spoil(before, cut))
        if resealed:
            one_line(lambda: chain.seal(cell))
        one_line(lambda: collect.run([cell], cell.parent / "out"))
    finally:
        path.write_bytes(before)
        (cell / "metrics.json").write_bytes(sealed)
