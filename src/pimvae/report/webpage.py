"""The tables of the paper as web pages and as CSV: the same cells, so that a browser shows what the PDF shows."""

__all__ = ["csv_table", "html_table", "page", "pages"]

import csv
import html
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pimvae.errors import UserError
from pimvae.registry import names, summary
from pimvae.report.page_notes import notes
from pimvae.report.page_style import SCRIPT, STYLE
from pimvae.report.table import SCALES, SCALES_SUMMARY
from pimvae.results.files import write_text

SPAN = re.compile(r"\\multicolumn\{(\d+)\}\{((?:[^{}]|\{[^{}]*\})*)\}\{(.*)\}")
RULES = re.compile(r"\\(?:toprule|midrule|bottomrule|cmidrule(?:\([lr]+\))?\{[\d-]+\}|addlinespace)")
TOKEN = re.compile(r"\\[a-zA-Z]+ ?|\\.|--|[{}$~^_]|[^\\{}$~^_-]+|-", re.DOTALL)
TAGS = {"best": "strong", "tie": "u", "emph": "em", "verdict": "strong", "textbf": "strong", "textit": "em",
        "texttt": "code"}  # fmt: skip
SYMBOLS = {r"\,": "\u2009", r"\ ": " ", "--": "–", "~": "\u00a0", r"\cdot": "·", r"\KL": "KL", r"\times": "×",
           r"\textquotesingle": "'"}  # fmt: skip
STANDING = {"untrained": "‡", "collapsed": "∘"}


def pages(tables: Path | str, out: Path | str, scale: str) -> list[Path]:
    """Write ``out/<table>.html`` for every registered table, from the ``.tex`` files in ``tables``; returns the paths.

    The table of several scales is shown where there is one.

    Raises:
        UserError: if a table is missing.
    """
    written = []
    for name, title in {**{name: summary("report.tables", name) for name in names("report.tables")},
                        SCALES: SCALES_SUMMARY}.items():  # fmt: skip
        source, target = Path(tables) / f"{name}.tex", Path(out) / f"{name}.html"
        if source.is_file():
            write_text(target, page(title, source.read_text(encoding="utf-8"), scale, name))
            written.append(target)
        elif name != SCALES:
            raise UserError(f"{source} does not exist: write the tables first")
        else:
            target.unlink(missing_ok=True)
    return written


def page(title: str, tex: str, scale: str, name: str = "") -> str:
    """A complete page around one table, without anything that would have to be fetched. A wide table scrolls alone.

    Args:
        title: the heading.
        tex: the table as LaTeX.
        scale: of the results.
        name: of the table in its registry, for what is said of it alone.
    """
    table = html_table(tex)
    heading = html.escape(title.rstrip("."))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f'<body><h1>{heading}</h1>\n<div role="region" aria-label="table" tabindex="0">{table}</div>\n'
        f"{notes(name, table, tex, scale)}\n<script>{SCRIPT}</script></body></html>\n"
    )


def html_table(tex: str) -> str:
    r"""A booktabs tabular as written by this package, as an HTML table; rows above the first rule are its head.

    Commands that are not known lose their backslash and keep their argument.
    """
    first, *lines = tex.strip().splitlines()
    prose = ' class="text"' if "p{" in first else ""  # a column of running text
    head: list[str] = []
    body: list[str] = []
    seen = 0  # rules between head and body, and between parts
    above = False
    for line in lines:
        row = RULES.sub("", line).strip()
        if r"\midrule" in line:
            seen, above = seen + 1, True
        if not row or row.startswith(r"\end{tabular}"):
            continue
        (body if seen else head).append(_row(row, "td" if seen else "th", seen > 1 and above))
        above = False
    return f"<table{prose}>\n<thead>{''.join(head)}</thead>\n<tbody>{''.join(body)}</tbody>\n</table>"


def csv_table(head: Sequence[str], titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as CSV: a column for the titles of parts, then one per column, named by all headings that stand over it.

    Args:
        head: lines of LaTeX above the first rule.
        titles: of the part that each row belongs to, plain text.
        rows: cells as LaTeX; marks of the best are left out.
    """
    above = [_spread(line) for line in head if RULES.sub("", line).strip()]
    names = [": ".join(filter(None, column)) for column in zip(*above, strict=True)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["part", *names])
    writer.writerows([title, *map(_plain, row)] for title, row in zip(titles, rows, strict=True))
    return out.getvalue()


def _spread(line: str) -> list[str]:
    """The headings in a line as plain text, each as often as it spans columns."""
    cells = [cell.strip() for cell in _cells(_row_end(line))]
    spans = [(found[3], int(found[1])) if (found := SPAN.fullmatch(cell)) else (cell, 1) for cell in cells]
    return [_plain(text) for text, count in spans for _ in range(count)]


def _plain(tex: str) -> str:
    """A cell as text, with a minus that programs read."""
    text = html.unescape(re.sub("<[^>]*>", "", _inline(tex)))
    return text.replace("−", "-").replace("\u2009", " ")


def _row(tex: str, tag: str, part: bool) -> str:
    cells = _cells(_row_end(tex))
    opening = '<tr class="part">' if part else "<tr>"
    return opening + "".join(_cell(cell.strip(), tag, not index) for index, cell in enumerate(cells)) + "</tr>\n"


def _row_end(tex: str) -> str:
    """A row without the end of its line."""
    return re.sub(r"\\\\(\[.*?\])?\s*$", "", tex)


def _cells(row: str) -> list[str]:
    r"""A row split at every & that is not \& and not inside braces."""
    cells, depth = [""], 0
    for token in re.findall(r"\\.|.", row):
        depth += (token == "{") - (token == "}")
        if token == "&" and not depth:
            cells.append("")
        else:
            cells[-1] += token
    return cells


def _cell(tex: str, tag: str, first: bool) -> str:
    """One cell; how it is aligned is said here and not in the style sheet, so that tables can go into other pages."""
    span = SPAN.fullmatch(tex)
    wide = f' colspan="{span[1]}"' if span else ""
    align = "left" if first or (span and tag == "td") else "center" if span else ""
    style = f' style="text-align: {align}"' if align else ""
    return f"<{tag}{wide}{style}>{_inline(span[3] if span else tex)}</{tag}>"


def _inline(tex: str) -> str:
    return "".join(_convert(iter(TOKEN.findall(tex)), ""))


def _convert(tokens: Iterator[str], end: str) -> Iterator[str]:
    """Tokens up to ``end`` as HTML; mathematics differs from text in nothing that tables use."""
    for token in tokens:
        if token == end:
            return
        name = token.strip().lstrip("\\")
        if token in "{$":
            yield from _convert(tokens, "}" if token == "{" else "$")
        elif token in "_^":
            yield _wrapped("sub" if token == "_" else "sup", _argument(tokens))
        elif token in SYMBOLS or token.strip() in SYMBOLS:
            yield SYMBOLS.get(token) or SYMBOLS[token.strip()]
        elif token.startswith("\\") and name.isalpha():
            yield _command(name, tokens)
        else:
            yield html.escape("−" if token == "-" and end == "$" else name if token.startswith("\\") else token)


def _argument(tokens: Iterator[str]) -> str:
    """The next group, or the first character of what comes next."""
    token = next(tokens, "")
    if token == "{":
        return "".join(_convert(tokens, "}"))
    if token.startswith("\\"):
        return "".join(_convert(iter([token]), ""))
    return html.escape(token)


def _command(name: str, tokens: Iterator[str]) -> str:
    if name in TAGS:
        return _wrapped(TAGS[name], _argument(tokens))
    if name == "pmhalf":
        return f"<small> ± {_argument(tokens)}</small>"
    if name == "diverged":
        return f'<span class="diverged">†{_argument(tokens)}</span>'
    if name == "annealed":
        return "<sup>⋆</sup>"
    if name in STANDING:
        return f'<span class="diverged">{STANDING[name]}{_argument(tokens)}</span>'
    if name == "hat":
        argument = _argument(tokens)
        return f"{argument[:1]}\u0302{argument[1:]}"
    if name in ("ensuremath", "mbox", "text", "mathrm"):
        return _argument(tokens).replace("-", "−" if name == "ensuremath" else "-")
    entity = html.unescape(f"&{name};")
    return html.escape(name) if entity.startswith("&") else entity


def _wrapped(tag: str, content: str) -> str:
    return f"<{tag}>{content}</{tag}>"
