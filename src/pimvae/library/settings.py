"""Sizes and durations for own data: defaults that follow from the data, and changes of them by name."""

__all__ = ["AGGREGATOR", "FEWEST", "OBJECTIVE", "PARTS", "cell", "few", "for_training", "seeds_of"]

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pimvae import arguments
from pimvae.config.files import checked, merge
from pimvae.config.schema import Cell, EvaluationConfig, ModelConfig, ObjectiveConfig, OwnData, TrainConfig
from pimvae.config.strict import Strict
from pimvae.data.modality import Modality
from pimvae.errors import UserError
from pimvae.objectives._base import as_objective
from pimvae.registry import check, lookup

AGGREGATOR, OBJECTIVE = "sum_pooling", "masked"
PARTS: dict[str, type[Strict]] = {
    "model": ModelConfig,
    "objective": ObjectiveConfig,
    "train": TrainConfig,
    "evaluation": EvaluationConfig,
}
SIZES: dict[str, dict[str, Any]] = {
    "model": {"encoder_widths": [128, 128], "features": 128, "pooling_width": 128, "networks": "mixed",
              "decoder": "linear", "decoder_scale": "learned", "noise_scale": 1.0},
    "objective": {},
    "train": {"batch_size": 128, "learning_rate": 0.002, "schedule": "cosine", "clip": 1000.0,
              "history_every": 50},
    "evaluation": {},
}  # fmt: skip
OWNERS = {"model.aggregator": "aggregator", "objective.name": "objective", "model.networks": None}
EPOCHS = 20  # where there are many samples; at least 1000 steps
VALIDATION = 0.15  # share of the samples that decides when training stops
FEWEST = 20  # samples with which a share of them can decide anything


def cell(
    modalities: Sequence[Modality],
    samples: int,
    aggregator: str,
    objective: str,
    latent: int | None,
    changes: Mapping[str, Any],
    name: str,
    source: str,
) -> Cell:
    """The configuration of one model of own data.

    Args:
        modalities: of the data.
        samples: number of training samples.
        aggregator: a registered name.
        objective: a registered name.
        latent: size of z, or None.
        changes: ``part.key`` → value.
        name: of the data, in tables.
        source: of the data, in messages.

    Raises:
        UserError: for names, keys and values that do not exist.
    """
    check("aggregators", aggregator)
    check("objectives", objective)
    arguments.text("name", name)
    columns = sum(1 if m.kind == "categorical" else m.dim for m in modalities)
    size = min(columns, max(4, min(48, 2 * columns // 3))) if latent is None else arguments.whole("latent", latent, 1)
    model = {"aggregator": aggregator, "latent": size}
    steps = max(1000, min(20000, EPOCHS * samples // SIZES["train"]["batch_size"]))
    values = merge(
        SIZES, {"model": model, "train": {"steps": steps}, "objective": {"name": objective}}, _nested(changes)
    )
    parts = {part: checked(schema, values[part], part) for part, schema in PARTS.items()}
    if len(parts["objective"].betas) > 1:
        raise UserError("objective.betas: own data take one β at a time")
    share = VALIDATION if samples >= FEWEST else 0.0
    chooses = "model.prior" not in changes and _may_learn_prior(parts["model"], objective)
    data = OwnData(source=source, samples=samples, validation=share, chooses_prior=chooses)
    return Cell(experiment="own", dataset=name, data=data, seeds=(0,), **parts)


def _may_learn_prior(model: ModelConfig, objective: str) -> bool:
    """Whether a mixture of Gaussians can take the place of the prior."""
    trained = as_objective(lookup("objectives", objective)).trains_prior
    return trained and model.prior == "standard" and model.family == "gaussian" and not model.private_latent


def few(samples: int) -> str:
    """What is to be known of a training with so many samples; empty where nothing is."""
    if samples >= FEWEST:
        return ""
    rest = "so that no training stops early and nothing says how well it does"
    return f"only {samples} training samples: none of fewer than {FEWEST} is kept apart for validation, {rest}"


def seeds_of(seeds: Any) -> tuple[int, ...]:
    """The seeds of a number of them or of a list.

    Raises:
        UserError: if it is neither.
    """
    if isinstance(seeds, Iterable) and not isinstance(seeds, str):
        return tuple(arguments.whole("a seed", seed) for seed in arguments.sequence("seeds", seeds, "whole numbers"))
    return tuple(range(arguments.whole("seeds", seeds, 1)))


def for_training(cell: Cell, samples: int, steps: int | None, seeds: Sequence[int], validation: float | None) -> Cell:
    """The configuration with what `fit` is given.

    Raises:
        UserError: if a number is none, or out of range.
    """
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise UserError(f"seeds are {list(seeds)}, must be at least one, distinct, and not negative")
    steps = cell.train.steps if steps is None else arguments.whole("steps", steps, 1)
    default = VALIDATION if samples >= FEWEST else 0.0
    share = default if validation is None else arguments.number("the validation share", validation)
    if not 0 <= share < 1 or round(share * samples) >= samples:
        raise UserError(f"the validation share is {share}, must be at least 0 and leave samples to train on")
    if round(share * samples) == 0:
        share = 0.0
    train, rest = cell.train, samples - round(share * samples)
    train = train.model_copy(update={"steps": steps, "batch_size": min(train.batch_size, rest),
                                     "history_every": min(train.history_every, steps)})  # fmt: skip
    data = cell.data.model_copy(update={"samples": samples, "validation": share})
    # An earlier training may have left a mixture.
    model = cell.model.model_copy(update={"prior": "standard"}) if data.chooses_prior else cell.model
    return cell.model_copy(update={"train": train, "data": data, "seeds": tuple(seeds), "model": model})


def _nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """``{"train.steps": 500}`` as nested mappings."""
    found: dict[str, Any] = {}
    for key, value in changes.items():
        part, dot, name = arguments.text("a setting", key).partition(".")
        if not dot or part not in PARTS:
            raise UserError(f"setting '{key}': expected part.key with a part of {', '.join(PARTS)}")
        if key in OWNERS:
            owner = OWNERS[key]
            raise UserError(
                f"setting '{key}': {f'say {owner} instead' if owner else 'own data have networks of their own'}"
            )
        found = merge(found, {part: {name: value}})
    return found
