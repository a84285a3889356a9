"""Claims as data: what ``config/claims.yaml`` may say, read strictly."""

__all__ = ["AuditClaim", "Claim", "Measure", "read_claims"]

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pimvae.errors import UserError
from pimvae.report.files import KEYS
from pimvae.report.methods import catalogue, parse_yaml, read_config


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Measure(Strict):
    """One metric of one subset (and split, where a metric has several)."""

    metric: str
    subset: str
    split: str | None = None
    direction: Literal["higher", "lower"] | None = None


class Claim(Strict):
    """One entry of ``config/claims.yaml``; the comments there explain every field."""

    id: str = Field(pattern=r"^C\d+[a-z]?$")
    short: str
    text: str
    experiment: str | list[str]
    where: dict[str, Any] = {}
    better: dict[str, Any] = {}
    worse: dict[str, Any] = {}
    measures: list[Measure] = Field(min_length=1)
    effect: Literal["relative", "difference"]
    threshold: float = 0.0
    relevant: float | None = None
    quantifier: Literal["every", "average", "some", "none_best"] = "every"
    group_by: list[str] = ["aggregator"]

    @property
    def refuted_below(self) -> float:
        """An effect whose whole interval lies below this refutes the claim: it is absent, or too small to matter."""
        return self.threshold if self.relevant is None else max(self.threshold, self.relevant)


class AuditClaim(Claim):
    """A claim about the verdicts of other claims, ``audits``: see `pimvae.report.audit`."""

    audits: list[str] = Field(min_length=1)
    better: dict[str, Any] = {}
    worse: dict[str, Any] = {}
    measures: list[Measure] = []
    effect: Literal["relative", "difference"] = "difference"


def read_claims(path: Path | str | None = None) -> list[Claim]:
    """The claims of ``config/claims.yaml`` (or of ``path``).

    Raises:
        UserError: for an unknown key, column or metric, in one line that names the claim.
    """
    entries = parse_yaml(Path(path)) if path is not None else read_config("claims.yaml")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError("claims.yaml is not a list of claims, each a mapping that starts with '- id:'")
    claims = [_parse(entry) for entry in entries]
    names = [claim.id for claim in claims]
    unknown = {name for claim in claims if isinstance(claim, AuditClaim) for name in claim.audits} - {*names}
    if unknown:
        raise UserError(f"claims.yaml: {min(unknown)} is audited, but there is no such claim")
    if len(set(names)) != len(names):
        raise UserError(f"claims.yaml: the id {next(n for n in names if names.count(n) > 1)} occurs twice")
    return claims


def _parse(entry: dict[str, Any]) -> Claim:
    name = entry.get("id", "(no id)")
    try:
        claim = AuditClaim(**entry) if "audits" in entry else Claim(**entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"claims.yaml, claim {name}: {place}: {first['msg']}") from None
    if not isinstance(claim, AuditClaim) and (claim.quantifier == "none_best") == bool(claim.better or claim.worse):
        raise UserError(f"claims.yaml, claim {name}: 'better' and 'worse' are for every quantifier but none_best")
    for column in [*claim.where, *claim.better, *claim.worse, *claim.group_by]:
        if column not in KEYS:
            raise UserError(f"claims.yaml, claim {name}: unknown column '{column}' (known: {', '.join(KEYS)})")
    for measure in claim.measures:
        try:
            known = catalogue().metric(measure.metric)
        except UserError as error:
            raise UserError(f"claims.yaml, claim {name}: {error}") from None
        if known.better == "neither" and measure.direction is None:
            raise UserError(f"claims.yaml, claim {name}: metric '{measure.metric}' has no better direction")
    return claim
