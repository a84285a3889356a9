"""The tables of the paper as web pages and as CSV: the same cells, so that a browser shows what the PDF shows."""

__all__ = ["csv_table", "html_table", "page"]

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from pimvae.report.page_notes import notes
from pimvae.report.table import SPAN, Table

STYLE, SCRIPT = (Path(__file__).with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".css", ".js"))
TOKEN = re.compile(r"\\[a-zA-Z]+ ?|\\.|--|[{}$~^_]|[^\\{}$~^_-]+|-", re.DOTALL)
SYMBOLS = {r"\,": "\u2009", r"\ ": " ", "--": "–", "~": "\u00a0", r"\cdot": "·", r"\KL": "KL", r"\times": "×",
           r"\textquotesingle": "'", r"\annealed": "<sup>⋆</sup>", r"\ongpu": "<sup>G</sup>"}  # fmt: skip
FAILED = '<span class="diverged">{}</span>'
COMMANDS = {  # that have an argument, and what becomes of it
    **dict.fromkeys(["best", "verdict", "textbf"], "<strong>{}</strong>"),
    **dict.fromkeys(["emph", "textit"], "<em>{}</em>"),
    **dict.fromkeys(["mbox", "text", "mathrm"], "{}"),
    "tie": "<u>{}</u>",
    "texttt": "<code>{}</code>",
    "pmhalf": "<small> ± {}</small>",
    "diverged": FAILED.format("†{}"),
    "untrained": FAILED.format("‡{}"),
    "collapsed": FAILED.format("∘{}"),
}


def page(title: str, table: Table, scale: str, name: str = "") -> str:
    """A complete page around one table, without anything that would have to be fetched. A wide table scrolls alone.

    Args:
        title: the heading.
        table: what is shown.
        scale: of the results; empty where it is not known.
        name: of the table in its registry, for what is said of it alone.
    """
    shown = html_table(table)
    heading = html.escape(title.rstrip("."))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{heading}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>\n{STYLE}</style></head>\n'
        f'<body><h1>{heading}</h1>\n<div role="region" aria-label="table" tabindex="0">{shown}</div>\n'
        f"{notes(name, shown, table, scale)}\n<script>\n{SCRIPT}</script></body></html>\n"
    )


def html_table(table: Table) -> str:
    """A table as HTML. Commands of LaTeX that are not known lose their backslash and keep their argument."""
    prose = ' class="text"' if table.wrapped else ""
    body = [
        _row(cells, "td", ' class="part"' if part and not place else "")
        for part, shown in enumerate(table.parts)
        for place, cells in enumerate(table.lines(shown))
    ]
    above = "".join(_row(cells, "th") for cells in table.head)
    return f"<table{prose}>\n<thead>{above}</thead>\n<tbody>{''.join(body)}</tbody>\n</table>"


def csv_table(table: Table) -> str:
    """A table as CSV: a column for the titles of parts, then one per column, named by all headings that stand over it.

    Marks of the best are left out.
    """
    above = [_spread(cells) for cells in table.head]
    names = [": ".join(filter(None, column)) for column in zip(*above, strict=True)]
    rows = [[part.title, *_spread(row)] for part in table.parts for row in part.rows]
    return pd.DataFrame(rows, columns=["part", *names]).to_csv(index=False, lineterminator="\n")


def _spread(cells: Sequence[str]) -> list[str]:
    """The cells of a line as plain text, each as often as it spans columns."""
    spans = [(found[2], int(found[1])) if (found := SPAN.fullmatch(cell)) else (cell, 1) for cell in cells]
    return [_plain(text) for text, count in spans for _ in range(count)]


def _plain(tex: str) -> str:
    """A cell as text, with a minus that programs read."""
    text = html.unescape(re.sub("<[^>]*>", "", _inline(tex)))
    return text.replace("−", "-").replace("\u2009", " ")


def _row(cells: Sequence[str], tag: str, attribute: str = "") -> str:
    shown = "".join(_cell(cell, tag, not index) for index, cell in enumerate(cells))
    return f"<tr{attribute}>{shown}</tr>\n"


def _cell(tex: str, tag: str, first: bool) -> str:
    """One cell; how it is aligned is said here and not in the style sheet, so that tables can go into other pages."""
    span = SPAN.fullmatch(tex)
    wide = f' colspan="{span[1]}"' if span else ""
    align = "left" if first or (span and tag == "td") else "center" if span else ""
    style = f' style="text-align: {align}"' if align else ""
    return f"<{tag}{wide}{style}>{_inline(span[2] if span else tex)}</{tag}>"


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
            tag = "sub" if token == "_" else "sup"
            yield f"<{tag}>{_argument(tokens)}</{tag}>"
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
    if name in COMMANDS:
        return COMMANDS[name].format(_argument(tokens))
    if name == "hat":
        argument = _argument(tokens)
        return f"{argument[:1]}\u0302{argument[1:]}"
    if name == "ensuremath":
        return _argument(tokens).replace("-", "−")
    entity = html.unescape(f"&{name};")
    return html.escape(name) if entity.startswith("&") else entity
