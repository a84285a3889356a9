"""Own data from tables, frames in memory, AnnData: joins, ids, missing rows, and one line for every fault."""

import re
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from pimvae.data.modality import Modality
from pimvae.data.raw import Raw
from pimvae.data.readers import read, read_memory
from pimvae.data.readers.anndata import from_units
from pimvae.data.understand import understand
from pimvae.errors import UserError
from pimvae.library.data import modalities_of, pack_collection


def tables(folder):
    (folder / "my blood.csv").write_text("id,a,b\n001,0.5,1\n002,1.5,2\n004,2.5,4\n", encoding="utf-8")
    (folder / "group.csv").write_text("id,group\n002,low\n001,high\n003,low\n", encoding="utf-8")
    (folder / "zip.tsv").write_text("id\tzip\n001\t01234\n003\t99999\n004\t\n", encoding="utf-8")
    return folder


def test_an_outer_join_with_names_ids_and_labels_as_they_are(tmp_path):
    data = read([tables(tmp_path)])
    modalities = modalities_of(data, None)
    assert data.ids == ("002", "001", "003", "004") or set(data.ids) == {"001", "002", "003", "004"}
    kinds = {m.name: (m.kind, m.columns, m.classes) for m in modalities}
    assert kinds == {
        "my blood": ("gaussian", ("a", "b"), ()),
        "group": ("categorical", ("group",), ("high", "low")),
        "zip": ("categorical", ("zip",), ("01234", "99999")),
    }
    packed = pack_collection(data, modalities)
    seen = {key: dict(zip([m.name for m in modalities], row, strict=True))
            for key, row in zip(data.ids, packed.mask.tolist(), strict=True)}  # fmt: skip
    assert seen["003"] == {"my blood": False, "group": True, "zip": True}
    assert seen["004"] == {"my blood": True, "group": False, "zip": False}  # an empty label is a missing one


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,a\n1,0.5\n1,2\n", "the id '1' occurs twice in 'more'"),
        ("id,a\n,0.5\n", "row 1 has no 'id'"),
        ("key,a\n1,2\n", "they share none"),
        ("id\n1\n", "'more' has no columns"),
        ("id,a\n", "has no rows"),
        ("", "is not a table"),
        ("id,a,b\n001,x,1.5\n", "column 'a' of 'more' is text beside other columns"),
        ("id,a\n001,0.5,7\n", "has a row with more fields than its first line"),
        ("id,a\n001,\0000.5\n", "holds bytes that are no text"),
        ("id,a,a\n001,0.5,1.5\n", "has the column 'a' twice"),
        ("id,a,b\n001,0.5,NA\n002,1.5,x\n", "column 'b' of 'more' is text beside other columns"),
        ("id;a\n001;0,5\n", "its values are separated by ';', not by ',': write it with commas, or as .tsv"),
        ("id\ta\n001\t0.5\n", r"its values are separated by '\t', not by ','"),
        ("id,a\n1,0.5\n2,1.5\n", "no other table has an id of 'more' (column 'id': '1' … '2')"),
        ("id,a,b\n001,9007199254740993,1\n", "column 'a' of 'more' is text beside other columns"),
        ("id,a,b\n001,1,1\n002,1,oops\n004,1,2\n", "column 'b' of 'more': row 2 (id '002') holds 'oops', no number"),
        ("id,a,b\n004,1,1\n003,1,NA\n002,1,x\n001,1,2\n", "'b' of 'more': row 3 (id '002') holds 'x', no number"),
        ("id,a,b\n1,0,x\n2,1,y\n3,1,1\n4,1,1\n001,1,1\n", "row 1 (id '1') holds 'x', no number, and one more does"),
        ('id,a,b\n001,"0,5",1\n002,"1,5",2\n', "column 'a' of 'more' has a comma as decimal mark: write its numbers"),
        ('id,a,b\n001,"0,5",1\n002,low,2\n', "column 'a' of 'more' is text beside other columns"),
    ],
)
def test_faults_of_tables(tmp_path, content, message):
    (tables(tmp_path) / "more.csv").write_text(content)
    with pytest.raises(UserError, match=re.escape(message)):
        modalities_of(read([tmp_path]), None)


def test_a_table_of_another_encoding_says_what_to_do(tmp_path):
    for encoding in ("latin-1", "utf-16"):
        (tables(tmp_path) / "more.csv").write_bytes("id,a\n001,é\n".encode(encoding))
        with pytest.raises(UserError, match=r"more\.csv is no text in UTF-8: save it as UTF-8"):
            read([tmp_path])


def test_one_path_needs_no_list(tmp_path):
    expected = read([tables(tmp_path)])
    assert read(tmp_path).sha256() == read(str(tmp_path)).sha256() == expected.sha256()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "no file is named"),
        ((".", ""), "has no column ''"),
        ((".", None, "x=X"), "names its modalities itself"),
    ],
)
def test_what_names_no_files_is_one_line(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tables(tmp_path))
    with pytest.raises(UserError, match=re.escape(message)):
        read(*arguments)


def test_a_comma_at_the_end_of_every_row_moves_no_column(tmp_path):
    (tables(tmp_path) / "more.csv").write_text("id,a\n001,0.5,\n002,1.5,\n")
    data = read([tmp_path])
    assert data.raw("more").columns == ("a",)
    assert dict(zip(data.ids, data.raw("more").values[:, 0].tolist(), strict=True))["002"] == 1.5


def test_labels_of_many_digits_stay_apart(tmp_path):
    (tables(tmp_path) / "more.csv").write_text("id,a\n001,9007199254740992\n002,9007199254740993\n")
    assert modalities_of(read([tmp_path]), None)[1].classes == ("9007199254740992", "9007199254740993")


WORDS = ("NA", "N/A", "NaN", "nan", "null")


def test_words_for_nothing_are_labels_among_labels(tmp_path):
    rows = [*WORDS, "", "b", "b"]
    text = "id,g\n" + "".join(f"{i},{label}\n" for i, label in enumerate(rows))
    (tmp_path / "g.csv").write_text(text)
    (tmp_path / "zip.csv").write_text(text.replace("b", "01").replace("id,g", "id,z"))  # not a number
    (tmp_path / "x.csv").write_text("id,x\n" + "".join(f"{i},{i}.5\n" for i in range(8)))
    data = read([tmp_path])
    g, _, codes = modalities_of(data, None)
    assert g.classes == ("N/A", "NA", "NaN", "b", "nan", "null")
    assert codes.classes == ("01", "N/A", "NA", "NaN", "nan", "null")
    assert data.raw("g").marked().tolist() == [True] * 5 + [False] + [True] * 2


def test_words_for_nothing_are_missing_among_numbers_and_no_ids(tmp_path):
    (tmp_path / "x.csv").write_text("id,a,b\nNA,0.5,1\nnull,1.5,2\n" + "".join(f"{w}2,{w},{w}\n" for w in WORDS))
    (tmp_path / "k.tsv").write_text("id\tk\nNA\t0\nnull\t1\n" + "".join(f"{w}2\t{w}\n" for w in WORDS))
    (tmp_path / "y.csv").write_text("id,y\n" + "".join(f"{w}2,{i}.5\n" for i, w in enumerate(WORDS)))
    data = read([tmp_path])
    k, x, y = modalities_of(data, None)
    assert data.ids == ("NA", "null", "NA2", "N/A2", "NaN2", "nan2", "null2")
    assert (k.kind, k.classes, x.kind, y.kind) == ("categorical", (0, 1), "gaussian", "gaussian")
    assert data.raw("x").values[:2].tolist() == [[0.5, 1], [1.5, 2]]
    assert pack_collection(data, (k, x, y)).mask.tolist() == [[1, 1, 0]] * 2 + [[0, 0, 1]] * 5


def test_a_table_of_another_format_with_one_name_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(pd, "read_parquet", lambda path: pd.DataFrame([[1, 2]], columns=["id", "id"]))
    (tmp_path / "my.parquet").touch()
    with pytest.raises(UserError, match=r"my.parquet has the column 'id' twice"):
        read([tmp_path / "my.parquet"])


def test_columns_of_one_name_keep_their_places():
    """Genes may share a name; in another order nobody can tell them apart."""
    first = Modality("x", "gaussian", 3, ("a", "a", "b"))
    values = np.array([[1.0, 2.0, 3.0]])
    assert first.encode(Raw("x", values, ("a", "a", "b")))[0].tolist() == [[1, 2, 3]]
    with pytest.raises(UserError, match="'x' has the column 'a' twice, in another order than training"):
        first.encode(Raw("x", values, ("b", "a", "a")))


def test_columns_are_known_by_their_names(tmp_path):
    folder = tables(tmp_path)
    modalities = modalities_of(read([folder]), None)
    before = pack_collection(read([folder]), modalities)
    (folder / "my blood.csv").write_text("id,b,a\n001,1,0.5\n002,2,1.5\n004,4,2.5\n")
    torch.testing.assert_close(pack_collection(read([folder]), modalities).x, before.x, rtol=0, atol=0)
    (folder / "my blood.csv").write_text("id,b,c\n001,1,0.5\n002,2,1.5\n004,4,2.5\n")
    with pytest.raises(UserError, match="'my blood' has the columns b, c; training had a, b"):
        pack_collection(read([folder]), modalities)


def test_the_column_of_ids_can_be_stated(tmp_path):
    for name in ("x", "y"):
        (tmp_path / f"{name}.csv").write_text("key,site,a\n1,9,0.5\n2,8,1.5\n")
    with pytest.raises(UserError, match="they share: key, site, a; say --id COLUMN"):
        read([tmp_path])
    assert read([tmp_path / "x.csv", tmp_path / "y.csv"], "key").names == ("x", "y")
    with pytest.raises(UserError, match="has no column 'name'"):
        read([tmp_path], "name")


@pytest.mark.parametrize("name", ["my.xls", "my.csv", "my.h5ad", "my.npz", "my"])
def test_files_that_are_not_there(tmp_path, name):
    with pytest.raises(UserError, match=rf"{name} does not exist"):
        read([tables(tmp_path) / "group.csv", tmp_path / name])


def test_what_cannot_be_read_together_is_named(tmp_path):
    tables(tmp_path)
    for name in ("my.npz", "my.xls", "my.h5ad"):
        (tmp_path / name).touch()
    for name, message in (
        *((".", "is a folder, which has to stand alone"), ("my.npz", "is a .npz file, which has to stand alone")),
        *(("my.h5ad", "is a .h5ad file, which has to stand alone"), ("my.xls", ": unknown format '.xls' (known: ")),
    ):
        with pytest.raises(UserError, match="^" + re.escape(f"{tmp_path / name}") + " ?" + re.escape(message.strip())):
            read([tmp_path / "group.csv", tmp_path / name])
    with pytest.raises(UserError, match=r"unknown format '\.xls'"):
        read([tmp_path / "my.xls"])


def test_an_empty_folder(tmp_path):
    with pytest.raises(UserError, match="has no tables"):
        read([tmp_path])


def test_integers_with_missing_rows_stay_integers(tmp_path):
    (tmp_path / "k.csv").write_text("id,k\n" + "".join(f"{i},{i % 3}\n" for i in range(9)))
    (tmp_path / "x.csv").write_text("id,x\n" + "".join(f"{i},{i}.5\n" for i in range(1, 12)))
    k = modalities_of(read([tmp_path]), None)[0]
    assert (k.kind, k.classes) == ("categorical", (0, 1, 2))


def test_columns_of_truth_values_are_binary(tmp_path):
    (tmp_path / "b.csv").write_text("id,c,d\n" + "".join(f"{i},{i % 2 == 0},{i % 3 == 0}\n" for i in range(9)))
    (tmp_path / "x.csv").write_text("id,x\n" + "".join(f"{i},{i}.5\n" for i in range(1, 12)))
    data = read([tmp_path])
    b = modalities_of(data, None)[0]
    assert (b.kind, b.dim) == ("binary", 2)
    encoded, seen = b.encode(data.raw("b"))
    order = [int(key) for key in data.ids]
    assert seen.tolist() == [i < 9 for i in order]
    assert encoded[seen].tolist() == [[i % 2 == 0, i % 3 == 0] for i in order if i < 9]


def test_memory_frames_arrays_tensors_and_masks():
    frames = {"x": pd.DataFrame({"a": [0.5, 1.5]}, index=["p", "q"]), "g": pd.Series(["u", "v"], ["q", "r"], name="g")}
    data = read_memory(frames)
    assert data.ids == ("p", "q", "r")
    assert pack_collection(data, modalities_of(data, None)).mask.tolist() == [[1, 0], [1, 1], [0, 1]]
    mixed = read_memory({"x": np.array([0.5, 1.5]), "y": torch.tensor([[1.5], [2.5]])}, mask=[[1, 0], [1, 1]])
    assert pack_collection(mixed, modalities_of(mixed, None, standardise=False)).mask.tolist() == [[1, 0], [1, 1]]
    by_name = read_memory({"x": np.array([0.5, 1.5]), "y": np.array([1.5, 2.5])}, mask={"y": [0, 1]})
    assert [raw.marked().tolist() for raw in by_name.raws] == [[True, True], [False, True]]


NUMBERS = [1.25, None, -3.5, 7.0]
HOLED = np.ma.masked_array([[1.25], [-999.0], [-3.5], [7.0]], mask=[[0], [1], [0], [0]])


@pytest.mark.parametrize("values", [
    HOLED, HOLED[:, 0].astype(np.float32), NUMBERS, np.array(NUMBERS, dtype=object), [1.25, pd.NA, -3.5, 7.0],
    [Decimal("1.25"), np.nan, np.float32(-3.5), 7], pd.Series(NUMBERS, dtype=object),
    pd.Series([Decimal("1.25"), None, -3.5, 7], dtype=object),
], ids=["masked", "masked column", "list", "objects", "NA", "mixed", "series", "decimals"])  # fmt: skip
def test_numbers_are_numbers_wherever_some_are_missing(values):
    data = read_memory({"x": values, "y": np.ones(4)})
    found = understand(data.raw("x"), standardise=False)
    encoded, seen = found.encode(data.raw("x"))
    assert found.kind == "gaussian" and seen.tolist() == [True, False, True, True]
    assert encoded[seen, 0].tolist() == [1.25, -3.5, 7.0]
    centre = understand(data.raw("x")).centre
    assert centre == pytest.approx([(1.25 - 3.5 + 7) / 3])  # what is masked has no part in it


@pytest.mark.parametrize("values", [
    [0, None, 2, 1], pd.Series([0, None, 2, 1], dtype=object), pd.Series([0, None, 2, 1], dtype="Int64"),
    np.ma.masked_array([0, 7, 2, 1], mask=[0, 1, 0, 0]), np.ma.masked_equal([0, -1, 2, 1], -1),
], ids=["list", "objects", "Int64", "masked", "masked where equal"])  # fmt: skip
def test_integers_are_classes_wherever_some_are_missing(values):
    data = read_memory({"x": values, "y": np.ones(4)})
    found = understand(data.raw("x"))
    assert (found.kind, found.classes) == ("categorical", (0, 1, 2))
    assert found.encode(data.raw("x"))[1].tolist() == [True, False, True, True]


@pytest.mark.parametrize("values", [
    ["a", None, "b", "a"], np.array(["a", None, "b", "a"], dtype=object), ["a", pd.NA, "b", "a"],
    np.ma.masked_array(["a", "?", "b", "a"], mask=[0, 1, 0, 0]), [True, None, False, True],
], ids=["list", "objects", "NA", "masked", "truth"])  # fmt: skip
def test_labels_are_labels_wherever_some_are_missing(values):
    data = read_memory({"x": values, "y": np.ones(4)})
    found = understand(data.raw("x"))
    assert (found.kind, len(found.classes)) == ("categorical", 2)
    assert found.encode(data.raw("x"))[1].tolist() == [True, False, True, True]


def test_identifiers_lose_no_digit():
    data = read_memory({"x": np.array([2**53 + 1, 2**53, None] * 4, dtype=object), "y": np.ones(12)})
    assert understand(data.raw("x")).classes == (2**53, 2**53 + 1)


def test_masked_images_are_missing_as_a_whole():
    images = np.ma.masked_array(np.arange(32, dtype=np.uint8).reshape(4, 1, 2, 4), mask=False)
    images[2] = np.ma.masked
    found = read_memory({"x": images, "y": np.ones(4)}).raw("x")
    assert understand(found).encode(found)[1].tolist() == [True, True, False, True]
    images[1, 0, 0, 0] = np.ma.masked
    with pytest.raises(UserError, match=r"sample \[1\] of 'x' is partly missing: a modality is missing as a whole"):
        read_memory({"x": images, "y": np.ones(4)})


HALVES = [[1.5], [2.0]]


@pytest.mark.parametrize("values", [
    torch.tensor(HALVES, dtype=torch.bfloat16), torch.tensor(HALVES).to_sparse(),
    torch.tensor(HALVES, requires_grad=True), sparse.csr_matrix(HALVES), sparse.coo_array(HALVES),
], ids=["bfloat16", "sparse tensor", "gradient", "sparse matrix", "sparse array"])  # fmt: skip
def test_tensors_and_sparse_arrays_of_every_type(values):
    found = read_memory({"x": values, "y": np.ones(2)}).raw("x").values
    assert found.tolist() == HALVES and found.dtype.kind == "f"


def test_frames_beside_arrays_name_the_rows():
    frame = pd.DataFrame({"a": [0.5, 1.5, 2.5]}, index=["p", "q", "r"])
    data = read_memory({"y": np.array([1.0, 2.0, 3.0]), "x": frame, "g": pd.Series(["u", "v", "u"], index=frame.index)})
    assert data.ids == ("p", "q", "r") and data.names == ("y", "x", "g")
    assert [raw.columns for raw in data.raws] == [(), ("a",), ("g",)]
    assert [raw.values.reshape(-1).tolist() for raw in data.raws] == [[1, 2, 3], [0.5, 1.5, 2.5], ["u", "v", "u"]]


def test_masks_go_by_name_and_index():
    frames = {name: pd.DataFrame({"a": [0.5, 1.5]}, index=["p", "q"]) for name in ("x", "y")}
    expected = [[True, True], [False, True]]
    mask = pd.DataFrame({"y": [1, 0], "x": [1, 1]}, index=["q", "p"])
    for given in (mask, {"y": mask["y"]}):
        assert [raw.marked().tolist() for raw in read_memory(frames, mask=given).raws] == [[True, True], [False, True]]
    arrays = {"x": np.array([0.5, 1.5]), "y": np.array([0.5, 1.5])}
    numbered = read_memory(arrays, mask={"y": pd.Series([1, 0], index=[1, 0])})
    assert [raw.marked().tolist() for raw in numbered.raws] == expected


SERIES = pd.Series([0.5, 1.5], ["p", "q"])


@pytest.mark.parametrize(
    ("data", "mask", "message"),
    [
        ([1, 2], None, "data are a list"),
        ({}, None, "data are empty: no modality is named"),
        ({"x": [[1.0], [1.0, 2.0]], "y": [0.5, 1.5]}, None, "'x' is no array: its rows differ in length"),
        ({"x": [0.5], "y": [1.5]}, [[1], [1, 0]], "the mask is no array: its rows differ in length"),
        ({"x": [0.5], "y": [1.5]}, {"x": [1, 0]}, r"the mask of 'x' has shape \(2,\), expected \(1,\)"),
        ({"x": 3}, None, "single value"),
        ({"x": torch.ones(2).to(torch.float8_e5m2), "y": [1, 2]}, None, "'x' is no array: "),
        ({"x": torch.ones(2, device="meta"), "y": [1, 2]}, None, "'x' is no array: "),
        ({"x": [0.5], "y": [1.5, 2]}, None, "differ in their number of samples"),
        ({"x": [0.5], "y": [1.5]}, [[1]], "the mask has shape"),
        ({"x": [0.5], "y": [1.5]}, [[1, 3]], "other values than 0 and 1"),
        ({"x": [0.5], "y": [1.5]}, {"z": [1]}, "'z', which is no modality"),
        ({"x": pd.DataFrame({"a": [1, 2]}, index=[0, 0]), "y": pd.Series([1])}, None, "occurs twice"),
        ({"x": SERIES, "y": np.ones(2), "z": SERIES[::-1]}, None, "'y' have no index, and those of 'x' and 'z' differ"),
        ({"x": SERIES, "y": np.ones(2), "z": SERIES[:1]}, None, "make 'y' a DataFrame with an index, or"),
        ({"x": SERIES, "y": np.ones(3)}, None, "differ in their number of samples"),
        ({"x": pd.DataFrame([[1, 2]], columns=["a", "a"]), "y": pd.Series([1])}, None, "'x' has the column 'a' twice"),
        ({"x": pd.DataFrame([[1, 2]], columns=[1, "1"]), "y": np.ones(1)}, None, "'x' has the column '1' twice"),
        ({"x": SERIES, "y": SERIES}, {"x": pd.Series([0, 1])}, "the index of the mask is not that of the samples"),
        ({"x": SERIES, "y": SERIES}, pd.DataFrame([[0, 1]] * 2, ["p", "q"]), "the mask names '0', which is no"),
    ],
)
def test_faults_of_data_in_memory(data, mask, message):
    with pytest.raises(UserError, match=message):
        read_memory(data, mask)


def units(**parts):
    plain = {"X": np.array([[0.5, 1.5], [2.5, 3.5]]), "obs_names": ["c1", "c2"], "var_names": ["g1", "g2"],
             "obsm": {"protein": np.array([[1.25], [2.0]])}, "layers": {"raw": np.array([[1, 0], [3, 2]])},
             "obs": pd.DataFrame({"type": ["T", "B"]}, index=["c1", "c2"])}  # fmt: skip
    return SimpleNamespace(**(plain | parts))


def test_annotated_data_by_place():
    data = from_units(units(), ["rna=layers:raw", "type=obs:type", "protein=obsm:protein"], "f")
    assert data.names == ("rna", "type", "protein") and data.ids == ("c1", "c2")
    kinds = {m.name: m.kind for m in modalities_of(data, {"rna": "counts"})}
    assert kinds == {"rna": "counts", "type": "categorical", "protein": "gaussian"}
    assert from_units(units(), [], "f").names == ("X", "protein")
    with pytest.raises(UserError, match="expected NAME=X"):
        from_units(units(), ["rna"], "f")
    with pytest.raises(UserError, match="has no 'counts' in layers"):
        from_units(units(), ["rna=layers:counts"], "f")


def test_modalities_of_several_units_are_joined_by_observation():
    first, second = units(), units(X=np.array([[9.5]]), obs_names=["c3"], var_names=["p"])
    data = from_units(SimpleNamespace(mod={"rna": first, "adt": second}, obs_names=["c1", "c2", "c3"]), (), "f")
    assert [raw.marked().tolist() for raw in data.raws] == [[True, True, False], [False, False, True]]


def test_files_of_annotated_data(tmp_path):
    anndata = pytest.importorskip("anndata")
    found = units()
    anndata.AnnData(found.X, obs=found.obs, obsm=found.obsm, layers=found.layers).write_h5ad(tmp_path / "my.h5ad")
    assert read([tmp_path / "my.h5ad"], places=["x=X", "p=obsm:protein"]).ids == ("c1", "c2")


def test_a_share_is_held_out():
    data = read_memory({"x": np.arange(20) + 0.5, "y": np.arange(20) + 0.5})
    parts = data.split(0.25)
    assert (len(parts), len(parts.test)) == (15, 5) and set(parts.ids) | set(parts.test.ids) == set(data.ids)
    assert parts.test.ids == data.split(0.25).test.ids and parts.sha256() != data.sha256()
    for fraction, message in ((1.5, "between 0 and 1"), (0.001, "leaves nothing on one side")):
        with pytest.raises(UserError, match=message):
            data.split(fraction)
    with pytest.raises(UserError, match="held-out samples already"):
        parts.split(0.5)
