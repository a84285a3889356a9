"""Estimated log-likelihoods held against the exact ones, over all replicas of a data set and bound."""

__all__ = ["table_likelihood_check"]

from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.report.checks import check_rows
from pimvae.report.latex import escape
from pimvae.report.table import NOT_RUN, Part, Table
from pimvae.results.files import Results


def table_likelihood_check(results: Results) -> Table:
    """Per data set and bound: error of the near-exact estimate and of the encoder as proposal, shares that count."""
    checks = check_rows(results.metrics)
    if checks.empty:
        return NOT_RUN
    head = [
        ["", "", "", r"\multicolumn{4}{c}{near-exact}", r"\multicolumn{3}{c}{encoder as proposal}"],
        ["", "bound", "replicas", "mean error", "largest", r"eff.\ (\%)", r"$\hat k>.7$ (\%)",
         "mean error", "largest", r"eff.\ (\%)"],
    ]  # fmt: skip
    rows = []
    for name in catalogue().order("datasets", checks["dataset"]):
        here = checks[checks["dataset"] == name]
        for objective in catalogue().order("objectives", here["objective"]):
            part = here[here["objective"] == objective]
            numbers = [
                part["error"].mean(), part["error"].abs().max(), 100 * part["ess_fraction"].mean(),
                100 * part["k_hat_above"].mean(), part["encoder_error"].mean(), part["encoder_error"].abs().max(),
                100 * part["ess_fraction_encoder"].mean(),
            ]  # fmt: skip
            labels = [escape(catalogue().look("datasets", name).label), catalogue().look("objectives", objective).label]
            rows.append([*labels, str(len(part)), *map(format_number, numbers)])
    return Table("ll" + "r" * 8, head, [Part(rows)])
