import re

from pimvae.registry import names
from pimvae.report.page_notes import HEADINGS, MARKS, SORT
from pimvae.report.table import NOT_RUN, Part, Table, grouped_headings
from pimvae.report.webpage import html_table, page


def made(headings=("LLH gap", r"$\KL_1$"), label="PoE", best="best") -> Table:
    parts = [
        Part(
            [[label, rf"\{best}{{0.05\pmhalf{{0.16}}}}", r"\ensuremath{-}17.24"],
             ["MoE", r"\tie{3\pmhalf{2}}\,\diverged{1}", "--"]],
            "a & b",
        ),
        Part([[r"x\_y", r"\ensuremath{8.34\cdot 10^{-5}}", r"95\,\%"]]),
    ]  # fmt: skip
    return Table("lrr", grouped_headings([("masked bound", headings)]), parts)


TABLE = made()


def rows(text):
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in re.findall(r"<tr.*?</tr>", text)]


def test_cells_keep_what_they_say():
    assert rows(html_table(TABLE)) == [
        ["", "masked bound"],
        ["", "LLH gap", "KL<sub>1</sub>"],
        ["<em>a &amp; b</em>"],
        ["PoE", "<strong>0.05<small> ± 0.16</small></strong>", "−17.24"],
        ["MoE", '<u>3<small> ± 2</small></u>\u2009<span class="diverged">†1</span>', "–"],
        ["x_y", "8.34·10<sup>−5</sup>", "95\u2009%"],
    ]


def test_head_parts_and_spans():
    text = html_table(TABLE)
    assert text.index("<thead>") < text.index("LLH gap") < text.index("</thead>") < text.index("PoE")
    assert 'colspan="2" style="text-align: center"' in text and 'colspan="3" style="text-align: left"' in text
    assert text.count('<tr class="part">') == 1


def test_headings_and_marks_are_explained_once_where_they_occur():
    note = page("title", TABLE, "laptop").rpartition("<p>")[2]
    assert note.count("<dt>LLH gap</dt><dd>how far") == note.count("<dt>KL<sub>1</sub></dt><dd>divergence") == 1
    assert "KL<sub>M</sub>" not in note
    assert [name for name, text in MARKS.items() if text in note] == ["pmhalf", "best", "tie", "diverged"]
    plain = page("title", made(best="textbf"), "laptop").rpartition("<p>")[2]
    assert [name for name, text in MARKS.items() if text in plain] == ["pmhalf", "tie", "diverged"]


def test_what_is_said_of_one_table_stands_below_it_alone():
    said = "the share of generated samples"
    assert said in page("title", TABLE, "laptop", "t7_coherence_text") and said not in page("title", TABLE, "laptop")


def test_tables_of_stand_in_images_say_so_and_a_table_that_was_not_run_says_nothing():
    said = "not comparable with those of the publication"
    assert all(said in page("title", TABLE, "laptop", name) for name in ("t6_images", "t12_classifiers"))
    assert said not in page("title", TABLE, "laptop", "t1_rates")
    nothing = page("title", NOT_RUN, "laptop", "t6_images")
    assert "not run at this scale" in nothing and SORT not in nothing and said not in nothing


def test_sorting_is_offered_where_every_column_has_a_heading():
    spanned = made(headings=[r"\multicolumn{2}{c}{a}"])
    assert [SORT in page("title", table, "laptop") for table in (TABLE, spanned)] == [True, False]


def test_a_hat_and_a_space_stay():
    text = html_table(made(headings=[r"$\hat k>.7$", r"eff.\ (\%)"]))
    assert rows(text)[1] == ["", "k\u0302&gt;.7", "eff. (%)"]


def test_an_unknown_command_keeps_its_argument():
    assert rows(html_table(made(label=r"\textsc{a \& b}")))[3][0] == "textsca &amp; b"


def test_nothing_in_a_table_can_be_markup():
    assert "<b>" not in html_table(made(label="<b>PoE"))


def test_a_page_without_a_scale_names_none():
    assert "Scale" not in page("title", TABLE, "") and "Scale laptop." in page("title", TABLE, "laptop")


def test_every_table_becomes_a_page_without_latex(pages):
    assert {path.stem for path in pages} == set(names("report.tables"))
    for path in pages:
        body = path.read_text().partition("<body>")[2].partition("<script>")[0]
        assert not re.search(r"[\\{}$]", body), path.name
        assert body.count("<tr") == body.count("</tr>") > 0


def test_every_explanation_is_of_a_heading(pages):
    """So that a heading that is renamed keeps its explanation."""
    text = "".join(path.read_text() for path in pages)
    assert set(HEADINGS) - set(re.findall(r"<th(?: [^>]*)?>(.*?)</th>", text)) == set()


def test_numbers_of_a_page_are_those_of_the_tex(written, pages):
    text = (written / "t1_dense_digits.tex").read_text()
    numbers = re.findall(r"\d+\.\d+", text)
    assert len(numbers) > 20
    (shown,) = (path.read_text() for path in pages if path.stem == "t1_dense_digits")
    assert re.findall(r"\d+\.\d+", shown.partition("<table")[2].partition("</table>")[0]) == numbers
