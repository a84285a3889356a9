"""Commands that show what there is: cells, schemes, what a scale takes, completion for a shell."""

__all__ = ["LOOK"]

import argparse
import os
import sys

from pimvae.cli import parser
from pimvae.cli.options import BETAS, ROOT, SCALE, experiment_name
from pimvae.cli.parser import Group, option
from pimvae.errors import UserError

LOOK = Group("Look around")


@LOOK.command(
    option("experiment", nargs="?", type=experiment_name, help="only this experiment"),
    option("--json", action="store_true", help="whole configurations, one JSON object per line"),
    SCALE,
    BETAS,
    ROOT,
    example="--scale laptop linear",
)
def cells(options: argparse.Namespace) -> None:
    """List the cells of a scale.

    A cell is one training: data set, aggregator, objective and prior, all seeds together.
    """
    from pimvae.config import load

    wanted = [options.experiment] if options.experiment else None
    for cell in load(options.scale, options.root, wanted, betas=options.betas).cells:
        print(cell.model_dump_json() if options.json else f"{cell.experiment} {cell.name}")


@LOOK.command(
    option("names", nargs="*", metavar="NAME", help="an aggregator or a bound"),
    example="poe masked",
)
def schemes(options: argparse.Namespace) -> None:
    """List aggregators and bounds: equation, reference, where they are used.

    With names, only these, with all that their documentation says.
    """
    from pimvae.report.schemes import listing

    print(listing(options.names))


@LOOK.command(
    SCALE,
    BETAS,
    ROOT,
    option("--experiments", nargs="+", metavar="NAME", help="only these (default: those of config.yaml)"),
    option("--device", choices=["auto", "cpu", "cuda"], help="default: what config/config.yaml says"),
    option("--cores", type=int, nargs="+", metavar="N", help="cores, or several numbers of them (default: all)"),
    option("--processes", type=int, default=1, metavar="N",
           help="of each training, as 'snakemake --set-threads train=N' has them (default: 1)"),
    option("--untimed", action="store_true", help="time nothing: earlier timings, else cautious guesses"),
    option("--fresh", action="store_true", help="time again what was timed before"),
    option("--json", action="store_true", help="numbers as JSON: seconds, MiB"),
    example="--scale paper --cores 4 64 --processes 5",
)  # fmt: skip
def plan(options: argparse.Namespace) -> None:
    """Say what a scale will take: operations, time, memory, disk.

    Counts the models of all cells, times a few steps of a few on this device, and keeps both in
    results/<scale>/plan.json, from which the workflow tells a scheduler what its jobs need. How long so many
    cores take is simulated: job by job, as the workflow starts them.
    """
    from pimvae.config import load
    from pimvae.planning.job import run

    config = load(options.scale, options.root, options.experiments, device=options.device, betas=options.betas)
    cores = options.cores or [os.cpu_count() or 1]
    for flag, least in (("--cores", min(cores)), ("--processes", options.processes)):
        if least < 1:
            raise UserError(f"{flag} must be at least 1, got {least}")
    if not options.untimed:
        _check_device(config.device)
    results = options.root / "results" / config.scale
    print(config.headline(), file=sys.stderr)

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    print(run(config, results, cores, not options.untimed, options.fresh, options.json, tell,
              options.processes))  # fmt: skip


def _check_device(device: str) -> None:
    import torch

    torch.set_num_threads(1)  # as in the workflow, where jobs run side by side
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device 'cuda' was asked for, but torch finds no CUDA device; use --device cpu or --untimed")


@LOOK.command(example="> ~/.local/share/bash-completion/completions/pimvae")
def completion(options: argparse.Namespace) -> None:
    """Print a script that completes commands in a shell.

    In bash: eval "$(pimvae completion)". In zsh, before it: autoload -U +X bashcompinit && bashcompinit.
    """
    from pimvae.config.catalogue import experiments
    from pimvae.registry import names

    known = list(experiments())
    words = dict.fromkeys(("cells", "data", "train", "evaluate", "ceiling", "classifiers"), known)
    words |= {"schemes": [*names("aggregators"), *names("objectives")]}
    words |= {"tables": names("report.tables"), "figures": names("report.figures")}
    print(parser.completion(options.parsers, words))
