"""The parser behind the command line: commands by group, one-line errors with the nearest name, shell completion."""

__all__ = ["Add", "Command", "Group", "Parser", "completion", "nearest_option", "option", "overview", "speak_utf8",
           "variable"]  # fmt: skip

import argparse
import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

OPTION = re.compile(r"--[a-z][a-z-]*")
CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")

Run = Callable[[argparse.Namespace], None]
Add = Callable[[argparse.ArgumentParser], Any]  # puts arguments into the parser of a command; of one, gives the action


def option(*flags: str, **settings: Any) -> Add:
    """An argument that commands are declared with; what it may be is told as to `argparse`."""
    return lambda command: command.add_argument(*flags, **settings)


def variable(flag: str, name: str, otherwise: str, **settings: Any) -> Add:
    """An option whose default an environment variable can change; it is looked at when the parser is made."""
    return lambda command: command.add_argument(flag, default=os.environ.get(name, otherwise), **settings)


class Command(NamedTuple):
    """What a command does, a function of the parsed options, and the arguments that it takes."""

    run: Run
    arguments: tuple[Add, ...]
    example: str

    def help(self) -> tuple[str, str]:
        """The first line of the docstring as a summary, and the rest as text."""
        summary, *rest = (" ".join(part.split()) for part in self.run.__doc__.split("\n\n"))
        return summary[0].lower() + summary[1:].rstrip("."), " ".join(rest)

    def add_to(self, commands: argparse._SubParsersAction, name: str) -> None:
        """Make the parser of this command."""
        summary, text = self.help()
        description = f"{summary[0].upper()}{summary[1:]}. {text}".strip()
        added = commands.add_parser(name, description=description, epilog=f"example: pimvae {name} {self.example}")
        added.set_defaults(command=self.run, parser=added)
        for add in self.arguments:
            add(added)


class Group:
    """Commands that are listed together; their names are those of the functions.

    Args:
        title: heading of the list.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.commands: dict[str, Command] = {}

    def command(self, *arguments: Add, example: str) -> Callable[[Run], Run]:
        """Make a command of a function: with these arguments, and ``example`` after its name in its help."""

        def add(run: Run) -> Run:
            self.commands[run.__name__] = Command(run, arguments, example)
            return run

        return add


class Parser(argparse.ArgumentParser):
    """Tells a wrong argument in one line, like every other error; options are not abbreviated."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})  # '--seed 5' is not '--seeds 5'

    def error(self, message: str) -> NoReturn:
        print(f"pimvae: error: {message}{_hint(message)} (see '{self.prog} --help')", file=sys.stderr)
        sys.exit(1)


def _hint(message: str) -> str:
    """The name nearest to a wrong one, where the message lists what may be chosen."""
    if found := CHOICE.search(message):
        return _nearest(found[1], re.findall(r"[\w-]+", found[2]))
    return ""


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)  # 'gpu' is no 'cpu'
    return f"; did you mean '{near[0]}'?" if near else ""


def nearest_option(name: str, command: argparse.ArgumentParser) -> str:
    """What to say of an argument that ``command`` does not know: the nearest of its options, if one is near."""
    return _nearest(name.partition("=")[0], options_of(command)) if name.startswith("-") else ""


def options_of(command: argparse.ArgumentParser) -> list[str]:
    """The long options of a command, in their order."""
    return list(dict.fromkeys(["--help", *OPTION.findall(command.format_usage())]))


def overview(groups: Iterable[Group]) -> str:
    """All commands with their summaries, group by group."""
    lines = []
    for group in groups:
        rows = [f"    {name:<12} {command.help()[0]}" for name, command in group.commands.items()]
        lines += ["", f"{group.title}:", *rows]
    return "\n".join(lines)


def completion(commands: Mapping[str, argparse.ArgumentParser], words: Mapping[str, Iterable[str]]) -> str:
    """A script for bash (and zsh with bashcompinit) that completes commands, their options, names and paths.

    Args:
        commands: the parser of every command.
        words: names that a command takes beside its options.
    """
    cases = []
    for name, command in commands.items():
        known = " ".join([*words.get(name, ()), *options_of(command)])
        cases.append(f'        {name}) words="{known}" ;;')
    return "\n".join([
        "# Completion of pimvae; written by 'pimvae completion'.",
        "_pimvae() {",
        "    local current=${COMP_WORDS[COMP_CWORD]} words",
        "    case ${COMP_CWORD}:${COMP_WORDS[1]} in",
        f'        1:*) words="{" ".join(commands)} --help --version" ;;',
        *(case.replace("        ", "        *:", 1) for case in cases),
        "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$current"))',
        '    [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))',
        "}",
        "complete -o filenames -F _pimvae pimvae",
    ])  # fmt: skip


def speak_utf8() -> None:
    """What goes into a file or a pipe is UTF-8, whatever the locale; a terminal gets ? for what it cannot show."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed before the start
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if stream.isatty():
            stream.reconfigure(errors="replace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # names that are no text
