"""Commands that ship results, read shipped ones and compare runs."""

__all__ = ["SHIPPED"]

import argparse
from collections.abc import Sequence
from pathlib import Path

from pimvae.cli.options import CLAIMS, OUT_FOLDER, RESULTS, written_by
from pimvae.cli.parser import Group, option
from pimvae.errors import UserError

SHIPPED = Group("Shipped results")


@SHIPPED.command(
    RESULTS,
    option("--out", type=Path, required=True, help="folder to write; its name is the scale"),
    option("--replace", action="store_true",
           help="drop shipped experiments that the results lack, and shipped weights"),
    option("--add", action="store_true",
           help="keep shipped cells of the same experiments, too: for those that are done cell by cell"),
    option("--weights", action="append", default=[], metavar="EXPERIMENT/CELL",
           help="also ship one replica's weights of this cell, for 'pimvae.load'; repeatable"),
    option("--seed", action="append", type=int, metavar="N",
           help="of that replica (default: the first); one for all, or one for each --weights"),
    example="--results results/laptop --out results/shipped/laptop",
)  # fmt: skip
def ship(options: argparse.Namespace) -> None:
    """Put the results of a scale under version control.

    Writes what tables, figures, claims and the paper are made from, with a manifest of checksums, and says which
    experiments and weights are there, and how much that is. Experiments that were shipped before and are not among the
    results stay, and so does the choice of weights. 'snakemake --config results=shipped' rebuilds the paper from it.
    """
    from pimvae.results.ship import LEFT_OUT
    from pimvae.results.ship import ship as write

    if options.replace and options.add:
        raise UserError("--replace drops what --add keeps: give one of them")
    seeds = _seeds(options.weights, options.seed or [])
    written = write(options.results, options.out, not options.replace, seeds, options.add)
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    kept = f" (as shipped before: {', '.join(written.kept)})" if written.kept else ""
    kept += f"; weights of one replica of {', '.join(written.weights)}" if written.weights else ""
    print(f"{options.out}: {', '.join(written.fresh)}{kept}; {len(written.files)} files and their manifest, "
          f"{size / 1e6:.2f} MB; left out: {LEFT_OUT}")  # fmt: skip


def _seeds(cells: Sequence[str], seeds: Sequence[int]) -> dict[str, int | None]:
    """The seed of every cell whose weights are asked for: one for all, one for each, or none is named."""
    if seeds and (not cells or len(seeds) not in (1, len(cells))):
        raise UserError(f"{len(cells)} times --weights, {len(seeds)} times --seed: give one seed for all, or one each")
    return dict(zip(cells, [*seeds, *[seeds[0] if seeds else None] * (len(cells) - len(seeds))], strict=True))


@SHIPPED.command(
    written_by("--shipped", "ship"), OUT_FOLDER,
    example="--shipped results/shipped/laptop --out results/from_shipped/laptop",
)  # fmt: skip
def unpack(options: argparse.Namespace) -> None:
    """Check shipped results against their manifest and unpack them."""
    from pimvae.archive import unpack as write

    write(options.shipped, options.out)


@SHIPPED.command(
    written_by("--fresh", "collect"),
    option("--shipped", type=Path, required=True, help="folder that 'pimvae ship' wrote, or another run"),
    OUT_FOLDER,
    CLAIMS,
    example="--fresh results/laptop --shipped results/shipped/laptop --out results/laptop/compare",
)
def compare(options: argparse.Namespace) -> None:
    """Hold a run against the shipped one, number by number.

    Writes compare.csv (every metric of every cell, paired by seed), a table and a figure; prints the claims side by
    side and a summary.
    """
    from pimvae.report import job

    print("\n".join(job.compare(options.fresh, options.shipped, options.out, options.claims)))
