"""What the commands of ``pimvae`` do with the metrics of cells; a command imports by itself what it needs."""

__all__ = ["claims", "collect", "compare", "figures", "macros", "readme", "ship", "tables", "unpack",
           "webpages"]  # fmt: skip

import argparse
from collections.abc import Sequence
from dataclasses import replace

from pimvae.errors import UserError, did_you_mean


def collect(options: argparse.Namespace) -> None:
    """Join the results of cells."""
    from pimvae.results.collect import run

    run(options.runs, options.out, options.references)


def tables(options: argparse.Namespace) -> None:
    """Write tables."""
    from pimvae.report import job

    _check_names("report.tables", options.names)
    if options.before and not options.scale:
        raise UserError("--before needs --scale, the name of the scale of --results")
    names = options.names or None
    job.tables(options.results, options.out, options.claims, names, options.format, options.scale or "", options.before)


def figures(options: argparse.Namespace) -> None:
    """Draw figures."""
    from pimvae.report import job

    _check_names("report.figures", options.names)
    job.figures(options.results, options.out, options.claims, options.names or None)


def claims(options: argparse.Namespace) -> None:
    """Decide the claims and print the verdicts."""
    from pimvae.report import job

    print("\n".join(job.claims(options.results, options.out, options.claims)))


def macros(options: argparse.Namespace) -> None:
    """Write the macros of the paper's numbers."""
    from pimvae.report import job

    job.macros(options.results, options.out, options.scale, options.claims)


def readme(options: argparse.Namespace) -> None:
    """Write verdicts and times into Markdown files, and draw the pictures that they show."""
    from pimvae.report.pictures import draw_comparison, write_pictures
    from pimvae.report.readme import rewrite
    from pimvae.report.source import Source

    source = Source.load(options.results, options.scale, options.claims, options.before)
    if options.pictures:
        write_pictures(options.results, options.pictures, options.claims)
    if options.compared:
        if not (options.pictures and options.machines):
            raise UserError("--compared needs --pictures FOLDER and --machines TEXT")
        source = replace(source, compared=draw_comparison(options.compared, options.pictures, options.machines))
    for path in options.files:
        rewrite(path, source)


def webpages(options: argparse.Namespace) -> None:
    """Show the tables as web pages."""
    from pimvae.report.webpage import pages

    pages(options.tables, options.out, options.scale)


def ship(options: argparse.Namespace) -> None:
    """Ship the results of one scale; say which experiments and weights are there, and how much that is."""
    from pimvae.results.ship import LEFT_OUT
    from pimvae.results.ship import ship as write

    written = write(options.results, options.out, not options.replace, _seeds(options.weights, options.seed or []))
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    kept = f" (as shipped before: {', '.join(written.kept)})" if written.kept else ""
    kept += f"; weights of one replica of {', '.join(written.weights)}" if written.weights else ""
    print(f"{options.out}: {', '.join(written.fresh)}{kept}; {len(written.files)} files and their manifest, "
          f"{size / 1e6:.2f} MB; left out: {LEFT_OUT}")  # fmt: skip


def unpack(options: argparse.Namespace) -> None:
    """Verify and unpack shipped results."""
    from pimvae.archive import unpack as write

    write(options.shipped, options.out)


def compare(options: argparse.Namespace) -> None:
    """Compare two runs and print what was found."""
    from pimvae.report import job

    print("\n".join(job.compare(options.fresh, options.shipped, options.out, options.claims)))


def _seeds(cells: Sequence[str], seeds: Sequence[int]) -> dict[str, int | None]:
    """The seed of every cell whose weights are asked for: one for all, one for each, or none is named."""
    if seeds and (not cells or len(seeds) not in (1, len(cells))):
        raise UserError(f"{len(cells)} times --weights, {len(seeds)} times --seed: give one seed for all, or one each")
    return dict(zip(cells, [*seeds, *[seeds[0] if seeds else None] * (len(cells) - len(seeds))], strict=True))


def _check_names(registry: str, names: Sequence[str]) -> None:
    from pimvae.registry import names as known

    for name in names:
        if name not in known(registry):
            kind = registry.rpartition(".")[2].rstrip("s")
            raise UserError(f"unknown {kind} '{name}' ({did_you_mean(name, known(registry))})")
