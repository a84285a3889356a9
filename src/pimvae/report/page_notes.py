"""What stands below a table on its web page: what the columns mean, and the marks that occur."""

__all__ = ["notes"]

import re
from pathlib import Path

import yaml

from pimvae.report.table import NOT_RUN, Table

STATED = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
MARKS: dict[str, str] = STATED["marks"]
ABOUT: dict[str, str] = STATED["about"]
HEADINGS: dict[str, str] = STATED["headings"]
SIMPLE = "Last block: simple models fitted to the same training samples."
SORT = "A click on a heading sorts the rows below it."
IMAGES = ("t6_", "t7_", "t8_", "t12_")  # how the names of tables of images and text begin
STAND_INS = (
    "Where images are the embedded stand-ins (the default), numbers are not comparable with those of the publication."
)


def notes(name: str, shown: str, table: Table, scale: str) -> str:
    """Scale and marks as a paragraph, and a list of the headings that need a word.

    Args:
        name: of the table in its registry.
        shown: the table as HTML.
        table: the same as it was made.
        scale: of the results; empty where it is not known.
    """
    tex = table.to_latex()
    said = [f"Scale {scale}."] if scale else []
    used = "; ".join(text for command, text in MARKS.items() if f"\\{command}" in tex)
    if table == NOT_RUN:
        return f"<p>{' '.join(said)}</p>"
    said += [ABOUT[name]] if name in ABOUT else []
    said += [STAND_INS] if name.startswith(IMAGES) else []
    said += [f"Marks: {used}."] if used else []
    said += [SIMPLE] if any(f"\\{command}" in tex for command in ("untrained", "collapsed")) else []
    heads = re.findall(r"<tr[^>]*>.*?</tr>", shown.partition("</thead>")[0], flags=re.DOTALL)
    said += [SORT] if heads and "colspan" not in heads[-1] else []
    found = dict.fromkeys(re.findall(r"<th(?: [^>]*)?>(.*?)</th>", shown))
    meanings = "".join(f"<dt>{head}</dt><dd>{HEADINGS[head]}</dd>" for head in found if head in HEADINGS)
    return f"<p>{' '.join(said)}</p>" + (f"\n<dl>{meanings}</dl>" if meanings else "")
