"""T11: what each difference between the released code and the stated method changes, alone and all together."""

__all__ = ["table_audit"]

from pimvae.claims.audit import ARMS, CORRECTED, EXPERIMENT, STANDS_FOR, effects
from pimvae.claims.selection import select
from pimvae.claims.statistics import Estimate, format_estimate
from pimvae.config.catalogue import catalogue
from pimvae.evaluation.rows import TRUE_MODEL
from pimvae.report.table import MISSING, NOT_RUN, Part, Table, bound_headings, grouped_headings
from pimvae.results.files import Results

# Heading, and metric with its subset for the linear and for the identifiable data.
MEASURES = [
    ("LLH gap", ("llh_gap", "all"), ("ceiling_gap", "all")),
    ("LLH", ("llh", "all"), ("llh", "all")),
    ("bound gap", ("bound_gap", "average"), None),
    ("MCC", None, ("mcc_strong_mean", "all")),
]


def table_audit(results: Results) -> Table:
    """Arm minus corrected, mean over the schemes, paired by seed: intervals that exclude 0 are bold."""
    metrics = select(results.metrics, {"experiment": EXPERIMENT})
    if metrics.empty:
        return NOT_RUN
    objectives = [name for name in catalogue().order("objectives", metrics["objective"]) if name != TRUE_MODEL]
    headings = [heading for heading, *_ in MEASURES]
    parts = []
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
                rows.append([catalogue().look("arms", arm).label, *cells])
        if rows:
            parts.append(Part(rows, catalogue().look("datasets", f"{data}_{CORRECTED}").label))
    head = grouped_headings(bound_headings(objectives, headings))
    return Table("l" + "r" * len(objectives) * len(MEASURES), head, parts)


def _cell(change: Estimate | None) -> str:
    if change is None:
        return MISSING
    text = format_estimate(change)
    return rf"\textbf{{{text}}}" if abs(change.mean) > change.half else text
