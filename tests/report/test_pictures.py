"""The README's pictures: small, of the figures that it names, and the same bytes every time."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pimvae.cli import main
from pimvae.errors import UserError
from pimvae.report import job, pictures
from pimvae.report.source import Verdicts
from pimvae.report.style import figure


def test_the_pictures_are_small_and_the_same_again(results, tmp_path):
    run = Verdicts("laptop", results, job.judge(results))
    written = pictures.write_pictures(run, tmp_path)
    assert [path.name for path in written] == [f"{name}.png" for name in pictures.PICTURES]
    first = [path.read_bytes() for path in written]
    assert all(0 < len(content) <= pictures.LARGEST for content in first)
    assert [path.read_bytes() for path in pictures.write_pictures(run, tmp_path)] == first


@pytest.mark.parametrize("other", [False, True], ids=["alone", "beside another run"])
def test_the_pictures_of_beyond_are_of_what_was_collected_there(folder, results, tmp_path, other):
    """Its cells lie above it, and so do the results of 'make reproduce', where these were made."""
    scale, beyond = tmp_path / "laptop", tmp_path / "laptop" / "beyond"
    beyond.mkdir(parents=True)
    (scale / "images").symlink_to(folder / "images")
    for name in ("metrics", "runs", "history", "settings"):
        content = (folder / f"{name}.csv").read_text()
        (beyond / f"{name}.csv").write_text(content)
        if other:  # with no row
            (scale / f"{name}.csv").write_text(content.partition("\n")[0] + "\n")
    job.claims(beyond)
    (tmp_path / "page.md").write_text("")
    command = ["readme", "--results", str(beyond), "--scale", "laptop", "--pictures", str(tmp_path / "drawn")]
    assert main([*command, str(tmp_path / "page.md")]) == 0
    for path in pictures.write_pictures(Verdicts("laptop", results, job.judge(results)), tmp_path / "expected"):
        assert (tmp_path / "drawn" / path.name).read_bytes() == path.read_bytes()


def test_a_picture_that_is_too_large_gets_coarser(tmp_path):
    noise = figure(8)
    noise.subplots().imshow(np.random.default_rng(0).random((1200, 1200, 3)), interpolation="nearest")
    path = pictures.write_small(noise, tmp_path / "noise.png")
    assert path.stat().st_size <= pictures.LARGEST
    width = plt.imread(path).shape[1]
    assert width in [pytest.approx(6.5 * dpi, abs=1) for dpi in pictures.RESOLUTIONS[1:]]
    assert not plt.get_fignums()


def test_the_pictures_of_the_repository_are_small_and_are_those_that_the_page_shows(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    shown = {line.partition('src="')[2].partition('"')[0] for line in text.splitlines() if "<img" in line}
    assert {f"docs/figures/{name}.png" for name in pictures.PICTURES} <= shown
    for name in shown:
        assert 0 < (root / name).stat().st_size <= pictures.LARGEST


def test_a_comparison_is_drawn_and_told_in_a_sentence(folder, tmp_path):
    job.compare(folder, folder, tmp_path / "compare")
    sentence = pictures.draw_comparison(tmp_path / "compare", tmp_path, "Two machines")
    count, of = sentence.removeprefix("Two machines: ").split(" numbers equal")[0].split(" of ")
    assert count == of and (tmp_path / "compare.png").stat().st_size <= pictures.LARGEST
    with pytest.raises(UserError, match="compare the two runs first"):
        pictures.draw_comparison(tmp_path, tmp_path, "x")


def test_a_comparison_without_its_machines_is_a_user_error(folder, tmp_path, capsys):
    job.claims(folder, tmp_path)
    for name in ("metrics", "runs", "history", "settings"):
        (tmp_path / f"{name}.csv").write_bytes((folder / f"{name}.csv").read_bytes())
    (tmp_path / "page.md").write_text("")
    command = ["readme", "--results", str(tmp_path), "--scale", "laptop", "--compared", str(tmp_path)]
    assert main([*command, str(tmp_path / "page.md")]) == 1
    assert "--machines" in capsys.readouterr().err
