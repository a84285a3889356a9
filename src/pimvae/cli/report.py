"""Commands that lead from evaluated cells to verdicts, tables, figures and text."""

__all__ = ["REPORT"]

import argparse
from pathlib import Path

from pimvae.cli.options import CLAIMS, OUT_FILE, OUT_FOLDER, RESULTS, SCALE_NAME
from pimvae.cli.parser import Group, option
from pimvae.errors import UserError

REPORT = Group("From cells to the paper")


@REPORT.command(
    option("runs", nargs="+", type=Path, metavar="RUN", help="folders of evaluated cells"),
    OUT_FOLDER,
    option("--references", nargs="*", type=Path, default=[], metavar="FILE",
           help="metrics that are no cell's: of true models ('pimvae ceiling'), simple models ('pimvae baselines'), "
           "classifiers"),
    example="--out results/smoke results/smoke/linear/dense-*",
)  # fmt: skip
def collect(options: argparse.Namespace) -> None:
    """Join the results of cells.

    Writes metrics.csv, runs.csv, history.csv and settings.csv.
    """
    from pimvae.results.collect import run

    run(options.runs, options.out, options.references)


@REPORT.command(OUT_FOLDER, RESULTS, CLAIMS, example="--results results/laptop --out results/laptop")
def claims(options: argparse.Namespace) -> None:
    """Decide the claims.

    Prints one line per claim and writes the verdicts with their evidence as CSV.
    """
    from pimvae.report import job

    print("\n".join(job.claims(options.results, options.out, options.claims)))


@REPORT.command(
    option("names", nargs="*", metavar="NAME", help="only these tables"),
    option("--before", nargs="*", type=Path, metavar="FOLDER",
           help="shipped results of other scales: also write the verdicts side by side"),
    option("--scale", help="name of the scale of --results: web pages say it, --before needs it"),
    option("--pages", type=Path, metavar="FOLDER", help="also write every table as a web page here"),
    option("--format", choices=["tex", "html", "csv"], default="tex", help="of the files (default: tex)"),
    OUT_FOLDER, RESULTS, CLAIMS,
    example="--results results/laptop --out paper/tables/laptop",
)  # fmt: skip
def tables(options: argparse.Namespace) -> None:
    """Write the tables of the paper.

    One file per table: LaTeX, or the same cells for a browser (a page each) or a program.
    """
    from pimvae.registry import check
    from pimvae.report import job

    check("report.tables", *options.names)
    if options.before and not options.scale:
        raise UserError("--before needs --scale, the name of the scale of --results")
    names = options.names or None
    job.tables(options.results, options.out, options.claims, names, options.format, options.scale or "",
               options.before, options.pages)  # fmt: skip


@REPORT.command(
    option("names", nargs="*", metavar="NAME", help="only these figures"),
    OUT_FOLDER, RESULTS, CLAIMS,
    example="f2_linear_gap --results results/laptop --out figures/laptop",
)  # fmt: skip
def figures(options: argparse.Namespace) -> None:
    """Draw the figures of the paper.

    One PDF and PNG per figure, and the CSV of what it shows.
    """
    from pimvae.registry import check
    from pimvae.report import job

    check("report.figures", *options.names)
    job.figures(options.results, options.out, options.claims, options.names or None)


@REPORT.command(
    SCALE_NAME, OUT_FILE, RESULTS, CLAIMS,
    example="--results results/laptop --scale laptop --out paper/tables/laptop/macros.tex",
)  # fmt: skip
def macros(options: argparse.Namespace) -> None:
    """Write every number of the paper's text as a LaTeX macro."""
    from pimvae.report import job

    job.macros(options.results, options.out, options.scale, options.claims)


@REPORT.command(
    option("files", nargs="+", type=Path, metavar="FILE", help="Markdown files with marked blocks"),
    option("--pictures", type=Path, metavar="FOLDER", help="also draw the pictures that they show here"),
    option("--compared", type=Path, metavar="FOLDER",
           help="folder that 'pimvae compare' wrote for a run of another machine: say how many numbers are equal"),
    option("--before", nargs="*", type=Path, default=[], metavar="FOLDER",
           help="shipped results of other scales, whose verdicts are shown first"),
    option("--machines", metavar="TEXT", help="with --compared: which two machines these were"),
    SCALE_NAME, RESULTS, CLAIMS,
    example="--results results/laptop --scale laptop README.md docs/REVIEWERS.md",
)  # fmt: skip
def readme(options: argparse.Namespace) -> None:
    """Write verdicts and times into Markdown files, and draw the pictures that they show.

    Replaces what stands between <!-- begin:NAME --> and <!-- end:NAME -->.
    """
    from dataclasses import replace

    from pimvae.report.pictures import draw_comparison, write_pictures
    from pimvae.report.readme import rewrite
    from pimvae.report.source import Source

    source = Source.load(options.results, options.scale, options.claims, options.before)
    if options.pictures:
        write_pictures(source.pictured, options.pictures)
    if options.compared:
        if not (options.pictures and options.machines):
            raise UserError("--compared needs --pictures FOLDER and --machines TEXT")
        source = replace(source, compared=draw_comparison(options.compared, options.pictures, options.machines))
    for path in options.files:
        rewrite(path, source)
