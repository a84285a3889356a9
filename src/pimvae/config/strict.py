"""What every part of a configuration is made of: frozen models that take nothing for something else."""

__all__ = ["AsList", "Distinct", "Strict"]

from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, none of which comes twice.

    Raises:
        ValueError: if one does.
    """
    twice = next((value for place, value in enumerate(values) if value in values[:place]), None)
    if twice is not None:
        raise ValueError(f"must not repeat a value: {twice} comes twice")
    return values


AsList = Field(strict=False)  # YAML and JSON have lists where Python has tuples
Distinct = AfterValidator(distinct)


class Strict(BaseModel):
    """Base of every part: unknown keys are errors, a truth value or a text is no number, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _fits(cls, value: object) -> object:
        """Whole numbers have at most 64 bits: libraries say strange things of others."""
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, int) and abs(number) >= 2**63:
                raise ValueError("must fit into 64 bits")
        return value
