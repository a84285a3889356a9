"""What pydantic finds wrong, as one line that names the key, the fault and what is allowed."""

__all__ = ["one_line"]

import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union

from pydantic import BaseModel, RootModel, ValidationError

from pimvae.errors import did_you_mean

MAPPINGS = ("dict_type", "model_type", "mapping_type")  # what pydantic calls a value in the place of keys and values


def one_line(error: ValidationError, model: type[BaseModel]) -> str:
    """The first fault of a validation error as one sentence: key, fault, what is allowed."""
    first = error.errors()[0]
    key, parent = locate(first["loc"], model)
    if first["type"] == "extra_forbidden":
        unknown = str(first["loc"][-1])
        known = sorted(parent.model_fields) if parent else []
        return f"unknown key '{'.'.join([*key, unknown])}' ({did_you_mean(unknown, known)})"
    if first["type"] == "missing":
        return f"the key '{'.'.join(key)}' is missing"
    place = f"'{'.'.join(key)}'" if key else "the file"
    if first["input"] is None and first["type"] in MAPPINGS:
        return f"{place} is empty"
    same = [item for item in error.errors() if locate(item["loc"], model)[0] == key]  # one per member of a union
    hint = _nearest(same) or _as_list(same)
    return f"{place} {' or '.join(dict.fromkeys(map(_fault, same)))}, got {_short(first['input'])}{hint}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _fault(item: Mapping[str, Any]) -> str:
    """Pydantic's message as the rest of a sentence that starts with the key."""
    if item["type"] in MAPPINGS:
        return "must be a mapping of keys to values"
    if item["type"] == "too_short":
        least = item["ctx"]["min_length"]
        return f"must have at least {least} {'entry' if least == 1 else 'entries'}"
    message = item["msg"].replace("Input should be", "must be").replace("tuple", "list")
    return message[0].lower() + message[1:]


def _as_list(faults: Sequence[Mapping[str, Any]]) -> str:
    """How one value is written where a list of values is expected, and nothing else."""
    value = faults[0]["input"]
    alone = all(item["type"] == "tuple_type" for item in faults) and isinstance(value, str | int | float)
    return f": write [{value!s:.200}]" if alone else ""


def _nearest(faults: Sequence[Mapping[str, Any]]) -> str:
    """The allowed name nearest to a wrong one, where the faults list allowed names."""
    expected = [item["ctx"]["expected"] for item in faults if item["type"] == "literal_error"]
    known = re.findall("'(.*?)'", " ".join(expected))
    _, _, hint = did_you_mean(str(faults[0]["input"]), known, 0.7).partition("; ")  # 'gpu' is no 'cpu'
    return f"; {hint}" if hint else ""


def locate(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """The part of an error's location that a reader finds in the file, and the model that holds for it."""
    key: list[str] = []
    kind: Any = model
    for step in loc:
        inner = _descend(kind, step)
        if inner is None:
            tagged = [model for model in typing.get_args(kind) if _kind_of(model) == step]
            if not tagged:
                break
            kind = tagged[0]  # what kind of data it is: no key of the file
        else:
            key, kind = [*key, str(step)], inner
    return key, kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _kind_of(model: Any) -> object:
    """What ``kind`` is in a model, None for anything else."""
    known = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    return known["kind"].default if "kind" in known else None


def _descend(kind: Any, step: int | str) -> Any:
    """The type below ``kind`` at a key or an index; None where there is none (pydantic's tags of union members)."""
    if isinstance(kind, type) and issubclass(kind, RootModel):
        kind = kind.model_fields["root"].annotation
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(step))
        return field.annotation if field else None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _descend(arguments[0], step)
    if origin in (Union, types.UnionType):
        return next((found for option in arguments if (found := _descend(option, step)) is not None), None)
    if origin is dict:
        return arguments[1]
    if origin is tuple and isinstance(step, int):
        return arguments[0]
    return None
