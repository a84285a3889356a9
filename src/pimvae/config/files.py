"""The YAML files: their grammar, and one-line errors that name the file, the key and what is allowed there."""

__all__ = ["ExperimentFile", "Grid", "Parts", "ScaleFile", "Settings", "checked", "merge", "parse", "parse_text",
           "read"]  # fmt: skip

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

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

from pimvae.config import schema
from pimvae.config.faults import one_line
from pimvae.config.plain_yaml import parse, parse_text
from pimvae.config.strict import AsList, Distinct, Strict
from pimvae.errors import UserError


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


PartialData = partial("PartialData", schema.LinearData, schema.DigitsData, schema.BimodalData, schema.MultimodalData,
                      schema.ImagesData)  # fmt: skip
PartialModel = partial("PartialModel", schema.ModelConfig, without=("aggregator", "prior"))
PartialObjective = partial("PartialObjective", schema.ObjectiveConfig, without=("name",))
PartialTrain = partial("PartialTrain", schema.TrainConfig)
PartialEvaluation = partial("PartialEvaluation", schema.EvaluationConfig)

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


Number = Annotated[NonNegativeFloat, Field(strict=False)]  # Snakemake's command line has lists of texts


class Settings(Strict):
    """``config/config.yaml``: what one run of the workflow does."""

    scale: str = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    experiments: Annotated[tuple[str, ...], AsList, Field(min_length=1), Distinct]
    beyond: Annotated[tuple[str, ...], AsList] = ()
    betas: Annotated[tuple[Number, ...], AsList, Field(min_length=1), Distinct] | None = None
    results: Literal["fresh", "shipped"] = "fresh"
    checkpoint_seconds: NonNegativeFloat = 60.0
    cells_per_gpu: PositiveInt = 8
    bad_checkpoint: Literal["restart", "stop"] = "restart"


Model = TypeVar("Model", bound=BaseModel)


def read(path: Path, model: type[Model]) -> Model:
    """The file at ``path``, checked against ``model``.

    Raises:
        UserError: if the file is absent, is not YAML, or says something that ``model`` does not know.
    """
    return checked(model, parse(path), str(path))


def checked(model: type[Model], values: Any, where: str) -> Model:
    """The values as a ``model``.

    Raises:
        UserError: if they are none, in one line that starts with ``where``.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{where}: {one_line(error, model)}") from error


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings laid over each other, later ones on top; anything but a mapping is replaced whole."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            nested = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
            merged[key] = merge(merged[key], value) if nested else value
    return merged
