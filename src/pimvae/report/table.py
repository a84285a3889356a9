"""A table of the paper: cells written once, as LaTeX, and shown as LaTeX, HTML or CSV."""

__all__ = ["ACROSS", "CELLS", "MISSING", "NOT_RUN", "SCALES", "SPAN", "Part", "Table", "bound_headings",
           "grouped_headings"]  # fmt: skip

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pimvae.config.catalogue import catalogue
from pimvae.report.latex import escape

MISSING = "--"
SPAN = re.compile(r"\\multicolumn\{(\d+)\}\{(?:[^{}]|\{[^{}]*\})*\}\{(.*)\}")  # a cell over columns
# Tables in no registry: they are there only where results of another scale are shipped, see `report.scales`.
SCALES, CELLS = "t10_scales", "t10_cells"
ACROSS = {
    SCALES: "T10: the verdicts at this scale beside those at other scales.",
    CELLS: "T10, continued: a vector and its label, cell by cell at several scales.",
}


@dataclass(frozen=True)
class Part:
    """Rows below a rule, each a label and its cells; ``title`` (plain text) stands in a line above them."""

    rows: Sequence[Sequence[str]]
    title: str = ""


@dataclass(frozen=True)
class Table:
    r"""A booktabs tabular; float and caption are the paper's.

    Attributes:
        alignment: of the columns, as LaTeX names it, that of the labels included.
        head: rows of headings above the first rule; below those that span columns is a rule of their own.
        parts: what stands below it.
    """

    alignment: str
    head: Sequence[Sequence[str]]
    parts: Sequence[Part] = ()

    @property
    def wrapped(self) -> bool:
        """Whether a column holds running text, in rows that are set apart."""
        return "p{" in self.alignment

    def lines(self, part: Part) -> list[Sequence[str]]:
        """The cells of a part line by line, its title first."""
        title = rf"\multicolumn{{{len(self.alignment)}}}{{@{{}}l}}{{\emph{{{escape(part.title)}}}}}"
        return [*([[title]] if part.title else []), *part.rows]

    def to_latex(self) -> str:
        """The tabular, which ends with a new line."""
        end = r" \\[2pt]" if self.wrapped else r" \\"
        lines = [rf"\begin{{tabular}}{{@{{}}{self.alignment}@{{}}}}", r"\toprule"]
        for cells in self.head:
            lines += [" & ".join(cells) + r" \\", *_rules(cells)]
        for part in self.parts:
            lines.append(r"\midrule")
            lines += [" & ".join(cells) + end for cells in self.lines(part)]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def to_html(self) -> str:
        """The same cells for a browser, as a part of a page."""
        from pimvae.report.webpage import html_table

        return html_table(self)

    def to_csv(self) -> str:
        """The same cells as plain text, a line per row; its first column is the title of the part, if there is one."""
        from pimvae.report.webpage import csv_table

        return csv_table(self)


NOT_RUN = Table("l", [["not run at this scale"]])


def _rules(cells: Sequence[str]) -> list[str]:
    """A line of rules under the headings that span columns, if there are any."""
    rules, start = [], 1
    for cell in cells:
        span = SPAN.fullmatch(cell)
        end = start + (int(span[1]) if span else 1)
        rules += [rf"\cmidrule(lr){{{start}-{end - 1}}}"] if span and span[2] else []
        start = end
    return [" ".join(rules)] if rules else []


def grouped_headings(groups: Sequence[tuple[str, Sequence[str]]]) -> list[list[str]]:
    """A head: names of groups of columns, then the columns' own headings."""
    above = [rf"\multicolumn{{{len(headings)}}}{{c}}{{{name}}}" for name, headings in groups]
    return [["", *above], ["", *(heading for _, headings in groups for heading in headings)]]


def bound_headings(objectives: Sequence[str], headings: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """The groups of a table that has the same columns under each bound."""
    return [(f"{catalogue().look('objectives', name).label} bound", headings) for name in objectives]
