"""A table of the paper: cells written once, as LaTeX, and shown as LaTeX, HTML or CSV."""

__all__ = ["ACROSS", "CELLS", "MISSING", "NOT_RUN", "SCALES", "Part", "Table", "bound_headings", "grouped_headings"]

from collections.abc import Sequence
from dataclasses import dataclass

from pimvae.config.catalogue import catalogue
from pimvae.report.latex import escape

MISSING = "--"
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
        head: the lines above the first rule, see `grouped_headings`.
        parts: what stands below it.
        row_end: what ends a row; ``\\[2pt]`` sets them apart.
    """

    alignment: str
    head: Sequence[str]
    parts: Sequence[Part] = ()
    row_end: str = r" \\"

    def to_latex(self) -> str:
        """The tabular, which ends with a new line."""
        lines = [rf"\begin{{tabular}}{{@{{}}{self.alignment}@{{}}}}", r"\toprule", *self.head]
        for part in self.parts:
            lines.append(r"\midrule")
            if part.title:
                lines.append(rf"\multicolumn{{{len(self.alignment)}}}{{@{{}}l}}{{\emph{{{escape(part.title)}}}}} \\")
            lines += [" & ".join(row) + self.row_end for row in part.rows]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])

    def to_html(self) -> str:
        """The same cells for a browser."""
        from pimvae.report.webpage import html_table

        return html_table(self.to_latex())

    def to_csv(self) -> str:
        """The same cells as plain text, a line per row; its first column is the title of the part, if there is one."""
        from pimvae.report.webpage import csv_table

        return csv_table(self.head, self.parts)


NOT_RUN = Table("l", [r"not run at this scale \\"])


def grouped_headings(groups: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """Lines of a head: names of groups of columns with rules under them, then the columns' own headings."""
    first, rules, second, start = [""], [], [""], 2
    for name, headings in groups:
        first.append(rf"\multicolumn{{{len(headings)}}}{{c}}{{{name}}}")
        if name:
            rules.append(rf"\cmidrule(lr){{{start}-{start + len(headings) - 1}}}")
        second.extend(headings)
        start += len(headings)
    return [" & ".join(first) + r" \\", " ".join(rules), " & ".join(second) + r" \\"]


def bound_headings(objectives: Sequence[str], headings: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """The groups of a table that has the same columns under each bound."""
    return [(f"{catalogue().look('objectives', name).label} bound", headings) for name in objectives]
