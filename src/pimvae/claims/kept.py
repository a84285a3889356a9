"""Verdicts kept beside the results that they rest on: tables, figures and text need not judge them once more each."""

__all__ = ["KEPT", "keep", "kept", "key_of"]

import hashlib
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pimvae.claims.audit import AuditJudgement
from pimvae.claims.schema import Claim, claims_file, read_claims
from pimvae.claims.verdict import Judgement
from pimvae.config.catalogue import config_path
from pimvae.files import read_mapping, replacing, sha256
from pimvae.results.provenance import digest, sources

KEPT = "verdicts.json"
READ = ("metrics.csv", "settings.csv")  # of the results, which are compressed where they are shipped


def key_of(folder: Path, claims_path: Path | str | None = None) -> str:
    """Checksum of everything that verdicts are made from: results, claims, configuration, this package's code."""
    configured = [config_path("methods.yaml"), *sorted(config_path("experiments").glob("*.yaml"))]
    results = [folder / f"{name}{packed}" for name in READ for packed in ("", ".gz")]
    files = [*results, claims_file(claims_path), *configured]
    parts = [sha256(path) if path.is_file() else "" for path in files]
    code = digest(sources("pimvae.claims.evaluate", "pimvae.claims.age"))
    return hashlib.sha256("\n".join([*parts, code]).encode()).hexdigest()


def keep(folder: Path, judgements: Sequence[Judgement], key: str) -> None:
    """Write the verdicts to ``folder``."""
    content = {"key": key, "judgements": [_plain(judgement) for judgement in judgements]}
    with replacing(folder / KEPT) as temporary:
        temporary.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def kept(folder: Path, key: str, claims_path: Path | str | None = None) -> list[Judgement] | None:
    """The verdicts in ``folder``, equal to those that were written; None if there are none, or of something else."""
    content = read_mapping(folder / KEPT)
    if content.get("key") != key:
        return None
    claims = {claim.id: claim for claim in read_claims(claims_path)}
    return [_judgement(entry, claims) for entry in content["judgements"]]


def _plain(value: Any) -> Any:
    """A judgement, or a field of one, as JSON has it: a claim by its id, a table by columns and rows."""
    if isinstance(value, Judgement):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, pd.DataFrame):
        return value.to_dict("split", index=False)
    if isinstance(value, Claim):
        return value.id
    return value.item() if isinstance(value, np.generic) else value


def _judgement(entry: dict[str, Any], claims: dict[str, Claim]) -> Judgement:
    kind = AuditJudgement if "table" in entry else Judgement
    tables = {name: pd.DataFrame(**entry[name]) for name in ("groups", "strata", "table") if name in entry}
    half = entry["half"] and _judgement(entry["half"], claims)
    return kind(**{**entry, **tables, "claim": claims[entry["claim"]], "half": half})
