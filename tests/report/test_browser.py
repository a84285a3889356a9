"""The tables' web pages in a real browser: nothing goes wrong, rows can be sorted, a dark theme can be read."""

import re

import pytest
from browser import PROGRAM, browser

from pimvae.report.table import Part, Table, grouped_headings
from pimvae.report.webpage import page

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium")

TABLE = Table(
    "lrr",
    grouped_headings([("", ["gap", "label"])])[-1:],
    [
        Part([["PoE", r"10.5\pmhalf{0.2}", "3"], ["MoE", r"\ensuremath{-}2", "--"],
              ["SumPooling", r"\best{1{,}000}", "2"]], "first"),
        Part([["z", "2", "1"], ["a", "1", "2"]], "second"),
    ],
)  # fmt: skip
NAMES = "[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].textContent)"
CLICK = "document.querySelectorAll('thead tr:last-child th')[{}].click()"
# Contrast of text and page by the definition of WCAG 2.
CONTRAST = """
(() => {
  const channel = value => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
                            return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
  const page = light(getComputedStyle(document.body).backgroundColor);
  return Math.min(...[...document.querySelectorAll('h1, td, th, p, dt, dd, small, .diverged')].map(part => {
    const text = light(getComputedStyle(part).color);
    return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05);
  }));
})()
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_rows_are_sorted_by_a_click_within_their_part(tab, tmp_path):
    (tmp_path / "table.html").write_text(page("title", TABLE, "laptop"), encoding="utf-8")
    tab.open(tmp_path / "table.html")
    as_written = ["first", "PoE", "MoE", "SumPooling", "second", "z", "a"]
    assert tab.ask(NAMES) == as_written
    tab.ask(CLICK.format(1))
    assert tab.ask(NAMES) == ["first", "MoE", "PoE", "SumPooling", "second", "a", "z"]
    tab.ask(CLICK.format(1))
    assert tab.ask(NAMES) == ["first", "SumPooling", "PoE", "MoE", "second", "z", "a"]
    tab.ask(CLICK.format(2))  # a dash is no number, and comes after them
    assert tab.ask(NAMES) == ["first", "SumPooling", "PoE", "MoE", "second", "z", "a"]
    assert tab.ask("document.querySelectorAll('th[aria-sort=ascending]').length") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_table_opens_without_an_error_and_can_be_read(tab, pages, theme):
    tab.theme(theme)
    backgrounds = set()
    for path in pages:
        tab.open(path)
        assert tab.ask("document.title") == re.search("<title>(.*?)</title>", path.read_text())[1].replace("&amp;", "&")
        assert tab.ask(CONTRAST) >= 4.5  # what WCAG asks for
        backgrounds.add(tab.ask("getComputedStyle(document.body).backgroundColor"))
    assert tab.errors == []
    assert backgrounds == {"rgb(255, 255, 255)" if theme == "light" else "rgb(22, 24, 28)"}


def test_a_phone_shows_every_table_without_moving_the_page(tab, pages):
    """What is too wide scrolls by itself, and the names of rows stay where they are."""
    tab.width(390)
    for path in pages:
        tab.open(path)
        assert tab.ask("[innerWidth, document.documentElement.scrollWidth]") == [390, 390], path.name
    tab.open(next(path for path in pages if path.stem == "t6_images"))
    places = "[...document.querySelector('tbody tr').cells].slice(0, 2).map(cell => cell.getBoundingClientRect().left)"
    name, number = tab.ask(places)
    tab.ask("document.querySelector('[role=region]').scrollLeft = 100")
    assert tab.ask(places) == [name, number - 100]
