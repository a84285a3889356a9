"""The command line ``pimvae``: one command per stage of the workflow."""

__all__ = ["main"]

import argparse
import atexit
import errno
import gc
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from pimvae import __version__
from pimvae.cli_archive import add_archive_commands
from pimvae.cli_look import add_look_commands
from pimvae.cli_own import add_own_commands
from pimvae.cli_parser import Parser, nearest_option, overview, speak_utf8
from pimvae.cli_report import add_report_commands
from pimvae.cli_stages import add_stage_commands
from pimvae.errors import UserError
from pimvae.signals import Stopped, raising

Command = Callable[[argparse.Namespace], None]
ABOUT = """Multi-modal VAEs with permutation-invariant encoders: the stages of the workflow, one by one.
'snakemake' runs them all in the right order."""
# What a user can mend; any other OSError is a bug and keeps its traceback.
OUTSIDE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ENOTEMPTY),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG, errno.EIO, errno.EBUSY),
}
# How torch says that an array does not fit into memory, or that its size is no number.
TOO_LARGE = re.compile(
    r"can't allocate memory|out of memory|Overflow when unpacking|Storage size calculation overflowed"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for an error of the user, 130 or 143 when stopped."""
    speak_utf8()
    options, unknown = parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(f"unknown argument '{unknown[0]}'{nearest_option(unknown[0], options.parser)}")
    _leave_at_once()
    try:
        with raising():
            options.command(options)
        sys.stdout.flush()  # here, where a reader that went away is still noticed
    except UserError as error:
        print(f"pimvae: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # pimvae cells | head
            _close_output()
            return 1
        if error.errno not in OUTSIDE:
            raise
        print(f"pimvae: error: {error.strerror}: {error.filename or 'the output'}", file=sys.stderr)
        if error.filename is None:
            _close_output()
        return 1
    except (MemoryError, RuntimeError, OverflowError) as error:
        if isinstance(error, RuntimeError) and not TOO_LARGE.search(str(error)):
            raise
        print(
            f"pimvae: error: more memory is needed than there is: {' '.join(str(error).split())[:200]}", file=sys.stderr
        )
        return 1
    except Stopped as stop:
        print(f"pimvae: {stop}", file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("pimvae: interrupted", file=sys.stderr)
        return 130
    return 0


def _close_output() -> None:
    """Lets what is left of the output go where nothing can fail: Python flushes it once more at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _leave_at_once() -> None:
    """Spares every job the 0.2 s in which the interpreter looks a last time for garbage in what torch made.

    The thread with which tqdm watches slow bars may then still be about to end, and Python 3.11 crashes: go without it.
    """
    from tqdm import tqdm

    tqdm.monitor_interval = 0
    atexit.register(gc.freeze)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = Parser(
        prog="pimvae",
        usage="%(prog)s [--help] [--version] COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="'pimvae COMMAND --help' says what a command does. Exit code 0: done; 1: the input is at fault, told\n"
        "in one line; 130 or 143: told to stop; anything else is a bug.",
    )
    top.add_argument("--version", action="version", version=f"pimvae {__version__}")
    commands = top.add_subparsers(dest="name", metavar="COMMAND", prog="pimvae", help=argparse.SUPPRESS)
    top.set_defaults(command=lambda _: top.print_help(), parser=top)
    add_look_commands(commands, _command)
    add_stage_commands(commands, _command)
    add_own_commands(commands, _command)
    add_report_commands(commands, _command)
    add_archive_commands(commands, _command)
    top.description = f"{ABOUT}\n{overview(commands.choices)}"
    return top


def _command(
    commands: argparse._SubParsersAction, name: str, run: Command, summary: str, text: str, example: str
) -> argparse.ArgumentParser:
    added = commands.add_parser(
        name,
        description=f"{summary[0].upper()}{summary[1:]}. {text}".strip(),
        epilog=f"example: {example}",
    )
    added.set_defaults(command=run, parser=added, summary=summary)
    return added


if __name__ == "__main__":
    sys.exit(main())
