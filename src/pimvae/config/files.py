"""The YAML files: their grammar, and one-line errors that name the file, the key and what is allowed there."""

__all__ = ["ExperimentFile", "Grid", "Parts", "ScaleFile", "Settings", "merge", "one_line", "parse", "parse_text",
           "read"]  # fmt: skip

import re
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

import yaml
from pydantic import (
    BaseModel,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    RootModel,
    ValidationError,
    create_model,
)

from pimvae import limits
from pimvae.config.schema import (
    AsList,
    BimodalData,
    DigitsData,
    Distinct,
    EvaluationConfig,
    ImagesData,
    LinearData,
    ModelConfig,
    MultimodalData,
    ObjectiveConfig,
    Strict,
    TrainConfig,
)
from pimvae.errors import UserError, did_you_mean


def partial(name: str, *models: type[Strict], without: Collection[str] = ()) -> type[Strict]:
    """A model with the fields of all ``models``, none of them required: what one file may say about a part.

    Fields in ``without`` are the grid's to choose, so no file may set them beside it.
    """
    kinds: dict[str, list[Any]] = {}
    for model in models:
        for key, field in model.model_fields.items():
            if key not in without:
                kinds.setdefault(key, []).append(Annotated[(field.annotation, *field.metadata, None)])
    fields: dict[str, Any] = {key: (Union[(*options, None)], None) for key, options in kinds.items()}
    return create_model(name, __base__=Strict, **fields)


PartialData = partial("PartialData", LinearData, DigitsData, BimodalData, MultimodalData, ImagesData)
PartialModel = partial("PartialModel", ModelConfig, without=("aggregator", "prior"))
PartialObjective = partial("PartialObjective", ObjectiveConfig, without=("name",))
PartialTrain = partial("PartialTrain", TrainConfig)
PartialEvaluation = partial("PartialEvaluation", EvaluationConfig)

NAME = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]  # becomes a folder name


# An aggregator, with its bound, and with its learned prior.
SCHEME = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(-[a-z][a-z0-9_]*(-mixture_prior)?)?$")]


class Overrides(Strict):
    """What a grid may override: everything but the data, which all cells of a data set share."""

    model: PartialModel = PartialModel()  # type: ignore[valid-type]
    objective: PartialObjective = PartialObjective()  # type: ignore[valid-type]
    train: PartialTrain = PartialTrain()  # type: ignore[valid-type]
    evaluation: PartialEvaluation = PartialEvaluation()  # type: ignore[valid-type]


class Parts(Overrides):
    """Overrides of the parts of a cell, the data included."""

    data: PartialData = PartialData()  # type: ignore[valid-type]


class Grid(Overrides):
    """All combinations of the four lists become cells."""

    datasets: Annotated[tuple[str, ...], AsList, Field(min_length=1), Distinct]
    aggregators: Annotated[tuple[str, ...], AsList, Field(min_length=1), Distinct]
    objectives: Annotated[tuple[str, ...], AsList, Field(min_length=1), Distinct]
    priors: Annotated[tuple[Literal["standard", "mixture"], ...], AsList, Field(min_length=1), Distinct] = ("standard",)


class ExperimentFile(Overrides):
    """``config/experiments/<experiment>.yaml``: what is the same at every scale."""

    title: str
    datasets: dict[NAME, Parts]
    grids: Annotated[tuple[Grid, ...], AsList, Field(min_length=1)]


class ScaledDataset(Parts):
    """What a scale says of some data.

    ``schemes`` holds what is tuned for an aggregator (``sum_pooling``), for an aggregator under one bound
    (``sum_pooling-masked``) and for that with a learned prior (``sum_pooling-masked-mixture_prior``), the last on top.
    """

    schemes: dict[SCHEME, Overrides] = Field(default_factory=dict)


class ScaledExperiment(ScaledDataset):
    """One experiment's section of a scale file; the sections of single data sets go last.

    ``exclude`` names data sets that this scale leaves out.
    """

    seeds: PositiveInt | Annotated[tuple[NonNegativeInt, ...], AsList, Field(min_length=1), Distinct]
    exclude: Annotated[tuple[str, ...], AsList] = ()
    datasets: dict[NAME, ScaledDataset] = Field(default_factory=dict)


class ScaleFile(RootModel[dict[NAME, ScaledExperiment]]):
    """``config/scales/<scale>.yaml``: sizes and durations, per experiment."""


class Settings(Strict):
    """``config/config.yaml``: what one run of the workflow does."""

    scale: str = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    experiments: Annotated[tuple[str, ...], AsList, Field(min_length=1), Distinct]
    beyond: Annotated[tuple[str, ...], AsList] = ()
    results: Literal["fresh", "shipped"] = "fresh"
    checkpoint_seconds: NonNegativeFloat = 60.0
    bad_checkpoint: Literal["restart", "stop"] = "restart"


NODES = 100_000  # values of one YAML file
Model = TypeVar("Model", bound=BaseModel)


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


def read(path: Path, model: type[Model]) -> Model:
    """The file at ``path``, checked against ``model``.

    Raises:
        UserError: if the file is absent, is not YAML, or says something that ``model`` does not know.
    """
    content = parse(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {one_line(error, model)}") from error


def parse(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        UserError: if the file is absent, is not YAML in UTF-8, repeats a key, or is larger than a configuration is.
    """
    if not path.is_file():
        raise UserError(f"no such configuration file: {path}")
    limits.check(path.stat().st_size, f"{path}", limits.TEXT)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8: {error}") from None
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
    root = yaml.compose(text, yaml.SafeLoader)
    if root is not None and _expanded(root, {}) > NODES:
        raise yaml.constructor.ConstructorError(problem=f"its aliases stand for more than {NODES} values")
    return yaml.load(text, UniqueKeyLoader)  # a SafeLoader


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values below a node, aliases counted as what they stand for; more than ``NODES`` if without end."""
    if id(node) not in known:
        known[id(node)] = NODES + 1  # while it is counted: an alias to what holds it never ends
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        children = [child for item in below for child in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_expanded(child, known) for child in children)
    return known[id(node)]


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings laid over each other, later ones on top; anything but a mapping is replaced whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = merge(merged[key], value) if nested else value
    return merged


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
    same = [item for item in error.errors() if locate(item["loc"], model)[0] == key]  # one per member of a union
    return f"{place} {' or '.join(dict.fromkeys(map(_fault, same)))}, got {_short(first['input'])}{_nearest(same)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} …"


def _fault(item: Mapping[str, Any]) -> str:
    """Pydantic's message as the rest of a sentence that starts with the key."""
    message = item["msg"].replace("Input should be", "must be").replace("tuple", "list")
    return message[0].lower() + message[1:]


def _nearest(faults: Sequence[Mapping[str, Any]]) -> str:
    """The allowed name nearest to a wrong one, where the faults list allowed names."""
    expected = [item["ctx"]["expected"] for item in faults if item["type"] == "literal_error"]
    _, _, hint = did_you_mean(str(faults[0]["input"]), re.findall("'(.*?)'", " ".join(expected))).partition("; ")
    return f"; {hint}" if hint else ""


def locate(loc: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """The part of an error's location that a reader finds in the file, and the model that holds for it."""
    key: list[str] = []
    kind: Any = model
    for step in loc:
        inner = _descend(kind, step)
        if inner is None:
            break
        key, kind = [*key, str(step)], inner
    return key, kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


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
