"""What ``pimvae`` starts: the parser of all commands, and how a command ends."""

__all__ = ["main"]

import argparse
import errno
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress

from pimvae import __version__
from pimvae.allocator import keep_freed_memory
from pimvae.cli.data import DATA
from pimvae.cli.look import LOOK
from pimvae.cli.models import MODELS
from pimvae.cli.parser import Parser, nearest_option, overview, speak_utf8
from pimvae.cli.report import REPORT
from pimvae.cli.shipped import SHIPPED
from pimvae.errors import UserError
from pimvae.signals import Stopped, raising

GROUPS = (LOOK, DATA, MODELS, REPORT, SHIPPED)
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
    try:
        with raising():
            _without_watcher()
            keep_freed_memory()
            import numpy  # noqa: F401 - before torch, whose C code imports it and loses a signal that comes then

            options.command(options)
        sys.stdout.flush()  # here, where a reader that went away is still noticed
    except UserError as error:
        return _refused(str(error))
    except BrokenPipeError:  # pimvae cells | head
        _close_output()
        return 1
    except OSError as error:
        if error.errno not in OUTSIDE:
            raise
        if error.filename is None:
            _close_output()
        return _refused(f"{error.strerror}: {error.filename or 'the output'}")
    except (MemoryError, RuntimeError, OverflowError) as error:
        if isinstance(error, RuntimeError) and not TOO_LARGE.search(str(error)):
            raise
        return _refused(f"more memory is needed than there is: {' '.join(str(error).split())[:200]}")
    except Stopped as stop:
        print(f"pimvae: {stop}", file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("pimvae: interrupted", file=sys.stderr)
        return 130
    return 0


def _refused(message: str) -> int:
    print(f"pimvae: error: {' '.join(message.split())}", file=sys.stderr)
    return 1


def _close_output() -> None:
    """Lets what is left of the output go where nothing can fail: Python flushes it once more at the end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _without_watcher() -> None:
    """No thread that watches slow bars: Python 3.11 crashes now and then when it is torn down while one ends."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = Parser(
        prog="pimvae",
        usage="%(prog)s [--help] [--version] COMMAND ...",
        description=f"{ABOUT}\n{overview(GROUPS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="'pimvae COMMAND --help' says what a command does. Exit code 0: done; 1: the input is at fault, told\n"
        "in one line; 130 or 143: told to stop; anything else is a bug.",
    )
    top.add_argument("--version", action="version", version=f"pimvae {__version__}")
    commands = top.add_subparsers(dest="name", metavar="COMMAND", prog="pimvae", help=argparse.SUPPRESS)
    top.set_defaults(command=lambda _: top.print_help(), parser=top, parsers=commands.choices)
    for group in GROUPS:
        for name, command in group.commands.items():
            command.add_to(commands, name)
    return top
