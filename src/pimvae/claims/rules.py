"""Checksums of the statement and rule of every claim, which a run records to show what it was to decide."""

__all__ = ["RULE", "record", "rule_digests"]

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from pimvae.files import sha256

RULE = ("id", "text", "experiment", "where", "better", "worse", "measures", "effect", "quantifier", "relevant",
        "group_by", "audits")  # fmt: skip
FILE = "config/claims.yaml"
# How what the rules name is computed, where that has changed: part of the checksum of the claims that it concerns.
RELATIVE = "ratio of means with the spread of its denominator"
AUDITED = "verdicts that are decided, changes paired by seed"


def rule_digests(path: Path) -> dict[str, str]:
    """The sha256 of every claim of the file, over the fields `RULE` as they stand there, by its id."""
    return {str(entry["id"]): _digest(entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))}


def record(root: Path) -> dict[str, Any]:
    """What a run keeps of the file of claims below ``root``: nothing without such a file.

    Keys: ``claims``, the checksum of every claim, and ``claims_sha256``, that of the file. A file that is broken is not
    the run's concern and is left out.
    """
    path = root / FILE
    try:
        return {"claims": rule_digests(path), "claims_sha256": sha256(path)}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError):
        return {}


def _digest(entry: dict[str, Any]) -> str:
    rule = {name: " ".join(entry[name].split()) if name == "text" else entry[name] for name in RULE if name in entry}
    computed = AUDITED if "audits" in entry else RELATIVE if entry.get("effect") == "relative" else None
    rule |= {"computed": computed} if computed else {}
    return hashlib.sha256(json.dumps(rule, sort_keys=True).encode()).hexdigest()
