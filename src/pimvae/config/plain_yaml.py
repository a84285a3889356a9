"""YAML that is no surprise: UTF-8, each key once, plain names as keys, aliases that stand for little."""

__all__ = ["parse", "parse_text"]

from pathlib import Path
from typing import Any

import yaml

from pimvae import limits
from pimvae.errors import UserError

NODES = 100_000  # values of one YAML file


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML as usual, but a key given twice is an error instead of a silent overwrite."""


def _mapping(loader: UniqueKeyLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(problem="a key is no plain name", problem_mark=key.start_mark)
        if key.value in seen:
            raise yaml.constructor.ConstructorError(problem=f"key '{key.value}' twice", problem_mark=key.start_mark)
        seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


UniqueKeyLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: if the file is absent, a folder, no YAML in UTF-8, repeats a key, or is too large to be read.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, expected a YAML file")
    if not path.is_file():
        raise UserError(f"no such configuration file: {path}")
    limits.check(path.stat().st_size, f"{path}", limits.TEXT)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8: {error}: save it as UTF-8") from None
    try:
        return parse_text(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not valid YAML"
        raise UserError(f"{path}: {line}{problem}") from error
    except (ValueError, RecursionError, OverflowError) as error:  # a date that is none, brackets without end
        raise UserError(f"{path}: not valid YAML: {error}") from None


def parse_text(text: str) -> Any:
    """YAML as a value; what its aliases stand for is counted before it is made, for a few can stand for gigabytes.

    Raises:
        yaml.YAMLError: if it is not YAML.
        ValueError, RecursionError: if a value is none.
    """
    loader = UniqueKeyLoader(text)  # Python's: that of libyaml crashes at brackets without end
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        if _expanded(root, {}) > NODES:
            raise yaml.constructor.ConstructorError(problem=f"its aliases stand for more than {NODES} values")
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values below a node, aliases counted as what they stand for; more than ``NODES`` if without end."""
    if id(node) not in known:
        known[id(node)] = NODES + 1  # while it is counted: an alias to what holds it never ends
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        children = [child for item in below for child in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_expanded(child, known) for child in children)
    return known[id(node)]
