"""The importance-sampled log-likelihood held against the exact one, over all cells and seeds of a data set."""

__all__ = ["table_likelihood_check"]

from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.report.tables._checks import check_rows
from pimvae.report.tables._layout import escape, not_run, tabular
from pimvae.results.files import Results


def table_likelihood_check(results: Results) -> str:
    """Per data set: replicas, mean and largest error in nats, mean and least effective sample share."""
    rows = check_rows(results.metrics)
    if rows.empty:
        return not_run()
    lines = [
        r" & replicas & \multicolumn{2}{c}{error (nats)} & \multicolumn{2}{c}{effective sample (\%)} \\",
        r"\cmidrule(lr){3-4} \cmidrule(lr){5-6}",
        r" & & mean & largest & mean & least \\",
        r"\midrule",
    ]
    for name in catalogue().order("datasets", rows["dataset"]):
        part = rows[rows["dataset"] == name]
        share = 100 * part["ess_fraction"]
        numbers = [part["error"].mean(), part["error"].abs().max(), share.mean(), share.min()]
        cells = [escape(catalogue().look("datasets", name).label), str(len(part)), *map(format_number, numbers)]
        lines.append(" & ".join(cells) + r" \\")
    return tabular("lrrrrr", lines)
