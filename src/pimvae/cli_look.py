"""Commands of the command line that show what there is: schemes, and completion for a shell."""

__all__ = ["add_look_commands"]

import argparse
from collections.abc import Callable

from pimvae.cli_parser import completion
from pimvae.errors import UserError

Add = Callable[..., argparse.ArgumentParser]


def add_look_commands(commands: argparse._SubParsersAction, add: Add) -> None:
    """Add ``schemes`` and ``completion``; ``add`` makes the parser of one command."""
    added = add(
        commands, "schemes", _schemes, "list aggregators and bounds: equation, reference, where they are used",
        "With names, only these, with all that their documentation says.",
        "pimvae schemes poe masked",
    )  # fmt: skip
    added.add_argument("names", nargs="*", metavar="NAME", help="an aggregator or a bound")
    added.add_argument("--markdown", action="store_true", help="as a table for a Markdown file")
    add(
        commands, "completion", lambda _: _completion(commands), "print a script that completes commands in a shell",
        'In bash: eval "$(pimvae completion)". In zsh, before it: autoload -U +X bashcompinit && bashcompinit.',
        "pimvae completion > ~/.local/share/bash-completion/completions/pimvae",
    )  # fmt: skip


def _schemes(options: argparse.Namespace) -> None:
    from pimvae import schemes

    if options.markdown and options.names:
        raise UserError("--markdown shows all schemes: leave the names out")
    print(schemes.markdown() if options.markdown else schemes.listing(options.names))


def _completion(commands: argparse._SubParsersAction) -> None:
    from pimvae.config.catalogue import experiments
    from pimvae.registry import names

    known = list(experiments())
    words = dict.fromkeys(("cells", "data", "train", "evaluate", "ceiling", "classifiers"), known)
    schemes = [*names("aggregators"), *names("objectives")]
    words |= {"schemes": schemes, "tables": names("report.tables"), "figures": names("report.figures")}
    print(completion(commands.choices, words))
