"""Commands of the command line that turn collected results into verdicts, tables, figures and text."""

__all__ = ["add_report_commands"]

import argparse
from collections.abc import Callable
from pathlib import Path

from pimvae import stages_report

Add = Callable[..., argparse.ArgumentParser]


def add_report_commands(commands: argparse._SubParsersAction, add: Add) -> None:
    """Add the commands of the report; ``add`` makes the parser of one command."""
    for add_some in (_add_drawings, _add_claims, _add_macros, _add_webpages, _add_readme):
        add_some(commands, add)


def _add_inputs(added: argparse.ArgumentParser) -> None:
    added.add_argument("--results", type=Path, required=True, help="folder that 'pimvae collect' wrote")
    added.add_argument("--claims", type=Path, help="file of claims (default: config/claims.yaml)")


def _add_out(added: argparse.ArgumentParser) -> None:
    added.add_argument("--out", type=Path, required=True, help="folder to write to")


def _add_scale_name(added: argparse.ArgumentParser) -> None:
    added.add_argument("--scale", required=True, help="name of the scale, for the text")


def _add_drawings(commands: argparse._SubParsersAction, add: Add) -> None:
    tables = add(
        commands, "tables", stages_report.tables, "write the tables of the paper",
        "One file per table: LaTeX, or the same cells for a browser or a program.",
        "pimvae tables --results results/laptop --out paper/tables/laptop",
    )  # fmt: skip
    tables.add_argument("--before", nargs="*", type=Path, metavar="FOLDER",
                        help="shipped results of other scales: also write the verdicts side by side")  # fmt: skip
    tables.add_argument("--scale", help="with --before: name of the scale of --results")
    tables.add_argument("--format", choices=["tex", "html", "csv"], default="tex", help="of the files (default: tex)")
    figures = add(
        commands, "figures", stages_report.figures, "draw the figures of the paper",
        "One PDF and PNG per figure, and the CSV of what it shows.",
        "pimvae figures f2_linear_gap --results results/laptop --out figures/laptop",
    )  # fmt: skip
    for added, kind in ((tables, "tables"), (figures, "figures")):
        added.add_argument("names", nargs="*", metavar="NAME", help=f"only these {kind}")
        _add_out(added)
        _add_inputs(added)


def _add_claims(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "claims", stages_report.claims, "decide the claims",
        "Prints one line per claim and writes the verdicts with their evidence as CSV.",
        "pimvae claims --results results/laptop --out results/laptop",
    )  # fmt: skip
    _add_out(added)
    _add_inputs(added)


def _add_macros(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "macros", stages_report.macros, "write every number of the paper's text as a LaTeX macro", "",
        "pimvae macros --results results/laptop --scale laptop --out paper/tables/laptop/macros.tex",
    )  # fmt: skip
    _add_scale_name(added)
    added.add_argument("--out", type=Path, required=True, help="file to write")
    _add_inputs(added)


def _add_webpages(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "webpages", stages_report.webpages, "show the tables in a browser",
        "Turns the .tex file of every table into an .html file with the same cells.",
        "pimvae webpages --tables paper/tables/laptop --scale laptop --out results/laptop/tables",
    )  # fmt: skip
    added.add_argument("--tables", type=Path, required=True, help="folder that 'pimvae tables' wrote")
    _add_scale_name(added)
    _add_out(added)


def _add_readme(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "readme", stages_report.readme, "write verdicts and times into Markdown files",
        "Replaces what stands between <!-- begin:NAME --> and <!-- end:NAME -->.",
        "pimvae readme --results results/laptop --scale laptop README.md docs/REVIEWERS.md",
    )  # fmt: skip
    added.add_argument("files", nargs="+", type=Path, metavar="FILE", help="Markdown files with marked blocks")
    added.add_argument("--pictures", type=Path, metavar="FOLDER", help="also draw the pictures that they show here")
    added.add_argument(
        "--compared", type=Path, metavar="FOLDER",
        help="folder that 'pimvae compare' wrote for a run of another machine: say how many numbers are equal",
    )  # fmt: skip
    added.add_argument("--before", nargs="*", type=Path, default=[], metavar="FOLDER",
                       help="shipped results of other scales, whose verdicts are shown first")  # fmt: skip
    added.add_argument("--machines", metavar="TEXT", help="with --compared: which two machines these were")
    _add_scale_name(added)
    _add_inputs(added)
