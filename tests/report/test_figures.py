import numpy as np
import pandas as pd
import pytest

from pimvae.errors import UserError
from pimvae.registry import lookup, names
from pimvae.report import job
from pimvae.report.figures._examples import read_examples
from pimvae.report.figures.digits import ARRAYS, join_quadrants
from pimvae.report.style import TEXT_WIDTH, save

FIGURES = names("report.figures")
EMPTY_TEXT = ("digits", "f1_bounds", "f6_masked", "f6_mixture")  # an empty entry is no missing one


def source(name, results):
    return job.judge(results) if name in job.CLAIM_ENTRIES else results


@pytest.mark.parametrize("name", FIGURES)
def test_figures_build_at_the_width_of_the_text(name, results, tmp_path):
    """Warnings are errors: layouts that collapse and glyphs that are missing fail here."""
    drawing = lookup("report.figures", name)
    table = drawing.data(source(name, results))
    assert len(table)
    figure = drawing.plot(table)
    width, height = figure.get_size_inches()
    assert width == TEXT_WIDTH and height < 8.5
    save(figure, tmp_path, name)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.pdf", f"{name}.png"}


@pytest.mark.parametrize("name", FIGURES)
def test_text_is_legible_in_print(name, results):
    from matplotlib.text import Text

    drawing = lookup("report.figures", name)
    figure = drawing.plot(drawing.data(source(name, results)))
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(sizes) >= (5 if name.startswith("f9_") else 7)  # one row per comparison of all claims


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_from_their_csv(name, results, tmp_path):
    """The table behind a figure is all it needs, also after a round trip through CSV."""
    drawing = lookup("report.figures", name)
    table = drawing.data(source(name, results))
    table.to_csv(tmp_path / "table.csv", index=False)
    again = pd.read_csv(tmp_path / "table.csv", keep_default_na=name not in EMPTY_TEXT)
    assert len(again) == len(table)
    drawing.plot(again)


@pytest.mark.parametrize("name", sorted({*FIGURES} - {"f1_bounds"}))
def test_a_figure_without_rows_says_so(name, results):
    drawing = lookup("report.figures", name)
    empty = type(results)(*(getattr(results, part)[:0] for part in ("metrics", "runs", "history", "settings")),
                          results.folder)  # fmt: skip
    table = drawing.data(source(name, empty))
    assert table.empty
    assert len(drawing.plot(table).axes) == 1


def test_files_are_the_same_bytes_every_time(folder, tmp_path):
    first, second = (job.figures(folder, tmp_path / part, only=["f2_linear_gap"])[0] for part in "ab")
    for suffix in (".pdf", ".png", ".csv"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


def test_every_seed_is_a_dot_and_diverged_ones_are_named(results):
    drawing = lookup("report.figures", "f2_linear_gap")
    table = drawing.data(results)
    gaps = table[table["metric"] == "llh_gap"]
    assert len(gaps) == 3 * 36 - 1
    texts = [text.get_text() for axes in drawing.plot(table).axes for text in axes.texts]
    assert [text for text in texts if "†" in text] == ["†1", "†1"]


def test_quadrants_are_joined_in_reading_order():
    joined = join_quadrants(np.arange(4)[:, None, None] * np.ones((4, 14, 14)))
    assert joined[[0, 0, 27, 27], [0, 27, 0, 27]].tolist() == [0, 1, 2, 3]


def test_damaged_examples_are_a_user_error(tmp_path):
    path = tmp_path / "examples.npz"
    np.savez(path, given=np.array(0), true=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="cannot be read"):
        read_examples(path, ARRAYS)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b""):  # cut off
        path.write_bytes(content)
        with pytest.raises(UserError, match="cannot be read"):
            read_examples(path, ARRAYS)
