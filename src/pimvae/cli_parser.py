"""The parser behind the command line: one-line errors with the nearest name, commands by group, shell completion."""

__all__ = ["Parser", "completion", "experiment_name", "nearest_option", "overview", "speak_utf8"]

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

OTHERS = "Further"
GROUPS = {
    "Look around": ("cells", "schemes", "plan", "completion"),
    "Data": ("download", "data", "classifiers", "ceiling", "baselines"),
    "Models": ("train", "evaluate", "encode", "impute"),
    "From cells to the paper": ("collect", "claims", "tables", "figures", "macros", "webpages", "readme"),
    "Shipped results": ("ship", "unpack", "compare"),
    OTHERS: (),  # what is listed nowhere above
}
OPTION = re.compile(r"--[a-z][a-z-]*")
CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """Tells a wrong argument in one line, like every other error."""

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


def overview(commands: Mapping[str, argparse.ArgumentParser]) -> str:
    """All commands with their summaries, group by group; those that no group names come last."""
    grouped = {name for group in GROUPS.values() for name in group}
    members = GROUPS | {OTHERS: tuple(name for name in commands if name not in grouped)}
    lines = []
    for title, group in members.items():
        here = [name for name in group if name in commands]
        rows = [f"    {name:<12} {commands[name].get_default('summary')}" for name in here]
        lines += ["", f"{title}:", *rows] if rows else []
    return "\n".join(lines)


def experiment_name(text: str) -> str:
    """The name of an experiment as an argument; the name of a file there is a mistake that is explained.

    Raises:
        argparse.ArgumentTypeError: for a file, with what data of one's own have to look like.
    """
    if "." in text or Path(text).is_file():  # names of experiments have no dot
        raise argparse.ArgumentTypeError(
            f"'{text}' is a file, not an experiment; your own data go to 'pimvae train --data my.npz --aggregator NAME "
            "--objective NAME': one array per modality, a row per sample, NaN where it is missing (docs/own_data.md)"
        )
    return text


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
