"""Which claims are younger than the runs that they are judged by."""

__all__ = ["SETTING", "mark_younger"]

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from pimvae.claims.schema import AuditClaim
from pimvae.claims.verdict import Judgement

SETTING, FILE = "claims.", "claims_sha256"  # keys of the settings: of a claim by its id, of the file


def mark_younger(judgements: Sequence[Judgement], settings: pd.DataFrame, digests: dict[str, str]) -> list[Judgement]:
    """The judgements, those of claims marked that some of their runs did not know in their present form.

    Args:
        judgements: verdicts; claims that were not run are never marked.
        settings: collected settings: per set of rules a row ``claims_sha256`` (``none`` for runs that recorded no
            rules) and a row ``claims.<id>`` for every claim.
        digests: checksums of the claims as they are judged.
    """
    return [replace(one, younger=bool(one.pairs) and not _known(one, settings, digests)) for one in judgements]


def _known(one: Judgement, settings: pd.DataFrame, digests: dict[str, str]) -> bool:
    """Whether every set of rules that the claim's experiments recorded has the claim as it is."""
    rows = settings[settings["experiment"].isin(one.claim.experiments)]
    sets = int((rows["key"] == FILE).sum())
    ids = [one.claim.id, *(one.claim.audits if isinstance(one.claim, AuditClaim) else [])]
    values = [rows.loc[rows["key"] == f"{SETTING}{name}", "value"] for name in ids]
    same = [(part == digests.get(name)).to_numpy() for name, part in zip(ids, values, strict=True)]
    return sets > 0 and all(len(part) == sets and part.all() for part in same)
