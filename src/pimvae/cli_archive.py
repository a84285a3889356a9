"""Commands of the command line that ship results, read shipped ones and compare runs."""

__all__ = ["add_archive_commands"]

import argparse
from collections.abc import Callable
from pathlib import Path

from pimvae import stages_report

Add = Callable[..., argparse.ArgumentParser]


def add_archive_commands(commands: argparse._SubParsersAction, add: Add) -> None:
    """Add ``ship``, ``unpack`` and ``compare``; ``add`` makes the parser of one command."""
    _add_ship(commands, add)
    _add_unpack(commands, add)
    _add_compare(commands, add)


def _add_ship(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "ship", stages_report.ship, "put the results of a scale under version control",
        "Writes what tables, figures, claims and the paper are made from, with a manifest of checksums. "
        "Experiments that were shipped before and are not among the results stay, and so does the choice of weights. "
        "'snakemake --config results=shipped' rebuilds the paper from it.",
        "pimvae ship --results results/laptop --out results/shipped/laptop",
    )  # fmt: skip
    added.add_argument("--results", type=Path, required=True, help="folder that 'pimvae collect' wrote")
    added.add_argument("--out", type=Path, required=True, help="folder to write; its name is the scale")
    added.add_argument("--replace", action="store_true",
                       help="drop shipped experiments that the results lack, and shipped weights")  # fmt: skip
    added.add_argument("--weights", action="append", default=[], metavar="EXPERIMENT/CELL",
                       help="also ship one replica's weights of this cell, for 'pimvae.load'; repeatable")  # fmt: skip
    added.add_argument("--seed", action="append", type=int, metavar="N",
                       help="of that replica (default: the first); one for all, or one for each --weights")  # fmt: skip


def _add_unpack(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "unpack", stages_report.unpack, "check shipped results against their manifest and unpack them", "",
        "pimvae unpack --shipped results/shipped/laptop --out results/from_shipped/laptop",
    )  # fmt: skip
    added.add_argument("--shipped", type=Path, required=True, help="folder that 'pimvae ship' wrote")
    added.add_argument("--out", type=Path, required=True, help="folder to write to")


def _add_compare(commands: argparse._SubParsersAction, add: Add) -> None:
    added = add(
        commands, "compare", stages_report.compare, "hold a run against the shipped one, number by number",
        "Writes compare.csv (every metric of every cell, paired by seed), a table and a figure; prints the claims side "
        "by side and a summary.",
        "pimvae compare --fresh results/laptop --shipped results/shipped/laptop --out results/laptop/compare",
    )  # fmt: skip
    added.add_argument("--fresh", type=Path, required=True, help="folder that 'pimvae collect' wrote")
    added.add_argument("--shipped", type=Path, required=True, help="folder that 'pimvae ship' wrote, or another run")
    added.add_argument("--out", type=Path, required=True, help="folder to write to")
    added.add_argument("--claims", type=Path, help="file of claims (default: config/claims.yaml)")
