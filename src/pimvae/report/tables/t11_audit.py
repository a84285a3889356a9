"""T11: what each difference between the released code and the stated method changes, alone and all together."""

__all__ = ["table_audit"]

import math

from pimvae.claims.audit import ARMS, CORRECTED, EXPERIMENT, STANDS_FOR, effects
from pimvae.claims.selection import select
from pimvae.claims.statistics import Estimate, format_estimate
from pimvae.config.catalogue import catalogue
from pimvae.report.tables._layout import MISSING, grouped_headings, not_run, panel, tabular
from pimvae.results.files import Results

# Heading, and metric with its subset for the linear and for the identifiable data.
MEASURES = [
    ("LLH gap", ("llh_gap", "all"), ("ceiling_gap", "all")),
    ("LLH", ("llh", "all"), ("llh", "all")),
    ("bound gap", ("bound_gap", "average"), None),
    ("MCC", None, ("mcc_strong_mean", "all")),
]


def table_audit(results: Results) -> str:
    """Arm minus corrected, mean over the schemes, paired by seed: intervals that exclude 0 are bold."""
    metrics = select(results.metrics, {"experiment": EXPERIMENT})
    if metrics.empty:
        return not_run()
    objectives = [name for name in catalogue().order("objectives", metrics["objective"]) if name != "true_model"]
    headings = [heading for heading, *_ in MEASURES]
    lines = grouped_headings([(f"{catalogue().look('objectives', name).label} bound", headings) for name in objectives])
    for data, (experiment, _) in STANDS_FOR.items():
        index = int(experiment != "linear")
        rows = []
        for arm in ARMS:
            cells = [
                _cell(effects(metrics, arm, experiment, objective, *measure[1 + index]) if measure[1 + index] else None)
                for objective in objectives
                for measure in MEASURES
            ]
            if arm != CORRECTED and any(cell != MISSING for cell in cells):
                rows.append(" & ".join([catalogue().look("arms", arm).label, *cells]) + r" \\")
        title = catalogue().look("datasets", f"{data}_{CORRECTED}").label
        lines += [] if not rows else panel(title, 1 + len(objectives) * len(MEASURES), rows)
    return tabular("l" + "r" * len(objectives) * len(MEASURES), lines)


def _cell(change: Estimate | None) -> str:
    if change is None or not math.isfinite(change.mean):
        return MISSING
    text = format_estimate(change)
    return rf"\best{{{text}}}" if abs(change.mean) > change.half else text
