"""What is registered under ``aggregators`` and ``objectives``, read from the docstrings without importing anything."""

__all__ = ["Scheme", "describe", "listing", "markdown", "schemes"]

import ast
import inspect
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pimvae.config.catalogue import read_experiments
from pimvae.errors import UserError, did_you_mean
from pimvae.registry import names, source, summary

KINDS = {"aggregators": "Aggregators", "objectives": "Bounds"}
SHORT = 60  # characters of an equation whose terms are defined below it
SECTIONS = re.compile(r"^[ ]*(Args:|References:|Raises:|Returns:)[ ]*$", re.MULTILINE)
_experiments = cache(read_experiments)


@dataclass(frozen=True)
class Scheme:
    """One aggregator or bound.

    Attributes:
        name: the name in a configuration, which is that of its file.
        kind: ``aggregators`` or ``objectives``.
        summary: the first line of the file.
        text: what the docstring says before its sections; the first paragraph is the equation.
        references: where it comes from, one line; empty if the docstring names nothing.
        experiments: files of ``config/experiments`` that use it.
    """

    name: str
    kind: str
    summary: str
    text: str
    references: str
    experiments: tuple[str, ...]

    @property
    def equation(self) -> str:
        """The first paragraph of the text in one line; after a short one also the next, which defines its terms."""
        first, *rest = (" ".join(paragraph.split()) for paragraph in self.text.split("\n\n"))
        return " ".join([first, *(rest[:1] if len(first) < SHORT else [])])


def schemes() -> list[Scheme]:
    """All of them, aggregators first."""
    return [describe(kind, name) for kind in KINDS for name in names(kind)]


def describe(kind: str, name: str) -> Scheme:
    """One scheme.

    Raises:
        UserError: if there is none of this name.
    """
    parts = _sections(_docstring(source(kind, name)))
    used = tuple(
        experiment
        for experiment, content in _experiments().items()
        if any(name in grid.get(kind, ()) for grid in content.get("grids", ()))
    )
    references = " ".join(parts.get("References:", "").split())
    return Scheme(name, kind, summary(kind, name).rstrip("."), parts[""], references, used)


def listing(chosen: Sequence[str] = ()) -> str:
    """Name, equation, reference and experiments of every scheme, or all that is known of the ``chosen`` ones.

    Raises:
        UserError: for an unknown name; the message has the nearest.
    """
    found = schemes()
    known = {scheme.name for scheme in found}
    for name in chosen:
        if name not in known:
            raise UserError(f"unknown scheme '{name}' ({did_you_mean(name, known)})")
    if chosen:  # an aggregator and a bound may share their name
        return "\n\n".join(_entry(scheme, scheme.text) for name in chosen for scheme in found if scheme.name == name)
    parts = []
    for kind, title in KINDS.items():
        parts.append(f"{title}\n{'=' * len(title)}")
        parts += [_entry(scheme, scheme.equation) for scheme in found if scheme.kind == kind]
    return "\n\n".join(parts)


def markdown() -> str:
    """A table per kind: name, equation, reference, experiments."""
    parts = []
    for kind, title in KINDS.items():
        rows = ["| name | equation | reference | used in |", "| --- | --- | --- | --- |"]
        for scheme in (describe(kind, name) for name in names(kind)):
            cells = [f"`{scheme.name}`", scheme.equation, scheme.references, ", ".join(scheme.experiments)]
            rows.append("| " + " | ".join(cell.replace("|", r"\|") or "–" for cell in cells) + " |")
        parts.append(f"## {title}\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def _entry(scheme: Scheme, text: str) -> str:
    used = ", ".join(scheme.experiments) or "no experiment"
    lines = [f"{scheme.name}  ({scheme.summary})", textwrap.indent(text, "    ")]
    lines += [f"    from: {scheme.references}"] if scheme.references else []
    return "\n".join([*lines, f"    used in: {used}"])


def _sections(docstring: str) -> dict[str, str]:
    """The text of a docstring under its headings, that before the first under an empty one."""
    first, *rest = SECTIONS.split(docstring)
    found = {"": first, **dict(zip(rest[::2], rest[1::2], strict=True))}
    return {heading: inspect.cleandoc(text).strip() for heading, text in found.items()}


def _docstring(tree: ast.Module) -> str:
    """The docstring of the exported class or function (or bound), else what the module's says after its first line."""
    exported = ""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            exported = ast.literal_eval(node.value)[0]
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name in (exported, f"{exported}_bound"):
            return ast.get_docstring(node) or ast.get_docstring(tree) or ""
    first, _, rest = (ast.get_docstring(tree) or "").partition("\n\n")
    return rest or first
