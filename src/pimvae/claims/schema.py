"""Claims as data: what ``config/claims.yaml`` may say, read strictly."""

__all__ = ["AuditClaim", "Claim", "Measure", "claims_file", "read_claims"]

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from pimvae.config.catalogue import catalogue, config_path, experiments
from pimvae.config.files import checked, parse
from pimvae.config.strict import Strict
from pimvae.errors import UserError, check_known
from pimvae.evaluation.rows import SPLITS, is_subset, subset_names
from pimvae.registry import names
from pimvae.results.files import KEYS


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
    where: dict[str, Any] = Field(default_factory=dict)
    better: dict[str, Any] = Field(default_factory=dict)
    worse: dict[str, Any] = Field(default_factory=dict)
    measures: list[Measure] = Field(min_length=1)
    effect: Literal["relative", "difference"]
    relevant: float = Field(default=0.0, ge=0)
    quantifier: Literal["every", "average", "some", "none_best"] = "every"
    group_by: list[str] = Field(default_factory=lambda: ["aggregator"])

    @property
    def experiments(self) -> list[str]:
        """The experiments that it is about."""
        return [self.experiment] if isinstance(self.experiment, str) else self.experiment


class AuditClaim(Claim):
    """A claim about the verdicts of other claims, ``audits``: see `pimvae.claims.audit`."""

    audits: list[str] = Field(min_length=1)
    measures: list[Measure] = Field(default_factory=list)
    effect: Literal["relative", "difference"] = "difference"


def read_claims(path: Path | str | None = None) -> list[Claim]:
    """The claims of ``config/claims.yaml`` (or of ``path``).

    Raises:
        UserError: for an unknown key, column or metric, or an experiment, data set, scheme, subset or split that does
            not exist (a typing error, which would else look like a claim that was not run), in one line that names the
            claim.
    """
    file = claims_file(path)
    entries = parse(file)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{file} is not a list of claims, each a mapping that starts with '- id:'")
    claims = [_parse(entry, file) for entry in entries]
    ids = [claim.id for claim in claims]
    unknown = {name for claim in claims if isinstance(claim, AuditClaim) for name in claim.audits} - {*ids}
    if unknown:
        raise UserError(f"{file}: {min(unknown)} is audited, but there is no such claim")
    if len(set(ids)) != len(ids):
        raise UserError(f"{file}: the id {next(name for name in ids if ids.count(name) > 1)} occurs twice")
    known = _known_values()
    for claim in claims:
        _check_values(claim, known, file)
    return claims


def claims_file(path: Path | str | None = None) -> Path:
    """``path``, or where ``config/claims.yaml`` lies."""
    return Path(path) if path is not None else config_path("claims.yaml")


def _known_values() -> dict[str, set[str]]:
    """What the columns of text can hold: what is configured or registered, and what the catalogue lists beside it."""
    listed = catalogue().entries
    configured = experiments()
    return {
        "experiment": {*configured},
        "dataset": {name for datasets in configured.values() for name in datasets},
        "aggregator": {*names("aggregators"), *listed["aggregators"]},
        "objective": {*names("objectives"), *listed["objectives"]},
        "prior": {*listed["priors"]},
    }


def _check_values(claim: Claim, known: dict[str, set[str]], file: Path) -> None:
    place = f"{file}, claim {claim.id}"
    for rows in ({"experiment": claim.experiment}, claim.where, claim.better, claim.worse):
        for column, wanted in rows.items():
            values = wanted if isinstance(wanted, list | tuple) else [wanted]
            if not values:
                raise UserError(f"{place}: the list of '{column}' is empty, which no row can match")
            if column in known:
                check_known(column, known[column], *map(str, values), place=place)
                continue
            for value in values:  # of beta
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise UserError(f"{place}: {column} is '{value}', expected a number")
    for measure in claim.measures:
        if not is_subset(measure.subset):
            check_known("subset", subset_names(), measure.subset, place=place)
        if measure.split is not None:
            check_known("split", SPLITS, measure.split, place=place)


def _parse(entry: dict[str, Any], file: Path) -> Claim:
    place = f"{file}, claim {entry.get('id', '(no id)')}"
    claim = checked(AuditClaim if "audits" in entry else Claim, entry, place)
    if not isinstance(claim, AuditClaim) and (claim.quantifier == "none_best") == bool(claim.better or claim.worse):
        raise UserError(f"{place}: 'better' and 'worse' are for every quantifier but none_best")
    check_known("column", KEYS, *claim.where, *claim.better, *claim.worse, *claim.group_by, place=place)
    for measure in claim.measures:
        check_known("metric", catalogue().entries["metrics"], measure.metric, place=place)
        if catalogue().metric(measure.metric).better == "neither" and measure.direction is None:
            raise UserError(f"{place}: metric '{measure.metric}' has no better direction")
    return claim
