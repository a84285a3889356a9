"""The tables of the paper as web pages and as CSV: the same cells, so that a browser shows what the PDF shows."""

__all__ = ["csv_table", "html_table", "page", "pages"]

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from pimvae.errors import UserError
from pimvae.registry import names, summary
from pimvae.report.page_notes import notes
from pimvae.report.table import ACROSS, Part
from pimvae.results.files import write_text

STYLE, SCRIPT = (Path(__file__).with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".css", ".js"))
SPAN = re.compile(r"\\multicolumn\{(\d+)\}\{((?:[^{}]|\{[^{}]*\})*)\}\{(.*)\}")
RULES = re.compile(r"\\(?:toprule|bottomrule|cmidrule(?:\([lr]+\))?\{[\d-]+\}|addlinespace|end\{tabular\})")
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


def pages(tables: Path | str, out: Path | str, scale: str) -> list[Path]:
    """Write ``out/<table>.html`` for every registered table, from the ``.tex`` files in ``tables``; returns the paths.

    The tables of several scales are shown where there are any.

    Raises:
        UserError: if a table is missing.
    """
    written = []
    for name in (*names("report.tables"), *ACROSS):
        source, target = Path(tables) / f"{name}.tex", Path(out) / f"{name}.html"
        if source.is_file():
            title = ACROSS.get(name) or summary("report.tables", name)
            write_text(target, page(title, source.read_text(encoding="utf-8"), scale, name))
            written.append(target)
        elif name not in ACROSS:
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
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>\n{STYLE}</style></head>\n'
        f'<body><h1>{heading}</h1>\n<div role="region" aria-label="table" tabindex="0">{table}</div>\n'
        f"{notes(name, table, tex, scale)}\n<script>\n{SCRIPT}</script></body></html>\n"
    )


def html_table(tex: str) -> str:
    r"""A booktabs tabular as written by this package, as an HTML table; rows above the first rule are its head.

    Commands that are not known lose their backslash and keep their argument.
    """
    first, rest = tex.strip().split("\n", 1)
    prose = ' class="text"' if "p{" in first else ""  # a column of running text
    stripped = ([RULES.sub("", line).strip() for line in part.splitlines()] for part in rest.split(r"\midrule"))
    head, *parts = ([line for line in lines if line] for lines in stripped)
    body = [
        _row(line, "td", ' class="part"' if part and not place else "")
        for part, lines in enumerate(parts)
        for place, line in enumerate(lines)
    ]
    above = "".join(_row(line, "th") for line in head)
    return f"<table{prose}>\n<thead>{above}</thead>\n<tbody>{''.join(body)}</tbody>\n</table>"


def csv_table(head: Sequence[str], parts: Sequence[Part]) -> str:
    """A table as CSV: a column for the titles of parts, then one per column, named by all headings that stand over it.

    Marks of the best are left out.

    Args:
        head: lines of LaTeX above the first rule.
        parts: what stands below it.
    """
    above = [_spread(_cells(line)) for line in head if RULES.sub("", line).strip()]
    names = [": ".join(filter(None, column)) for column in zip(*above, strict=True)]
    rows = [[part.title, *_spread(row)] for part in parts for row in part.rows]
    return pd.DataFrame(rows, columns=["part", *names]).to_csv(index=False, lineterminator="\n")


def _spread(cells: Sequence[str]) -> list[str]:
    """The cells of a line as plain text, each as often as it spans columns."""
    spans = [(found[3], int(found[1])) if (found := SPAN.fullmatch(cell)) else (cell, 1) for cell in cells]
    return [_plain(text) for text, count in spans for _ in range(count)]


def _plain(tex: str) -> str:
    """A cell as text, with a minus that programs read."""
    text = html.unescape(re.sub("<[^>]*>", "", _inline(tex)))
    return text.replace("−", "-").replace("\u2009", " ")


def _row(tex: str, tag: str, attribute: str = "") -> str:
    cells = "".join(_cell(cell, tag, not index) for index, cell in enumerate(_cells(tex)))
    return f"<tr{attribute}>{cells}</tr>\n"


def _cells(row: str) -> list[str]:
    r"""A row without its end, split at every & that is not \& and not inside braces."""
    cells, depth = [""], 0
    for token in re.findall(r"\\.|.", re.sub(r"\\\\(\[.*?\])?\s*$", "", row)):
        depth += (token == "{") - (token == "}")
        if token == "&" and not depth:
            cells.append("")
        else:
            cells[-1] += token
    return [cell.strip() for cell in cells]


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
