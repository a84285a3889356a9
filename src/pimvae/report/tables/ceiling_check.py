"""The log-likelihood under the true models: values, Monte-Carlo errors and effective sample sizes."""

__all__ = ["table_ceiling_check"]

from pimvae.claims.selection import drop_diverged, select
from pimvae.claims.statistics import format_number
from pimvae.config.catalogue import catalogue
from pimvae.evaluation.rows import TRUE_MODEL
from pimvae.report.latex import escape
from pimvae.report.table import NOT_RUN, Part, Table
from pimvae.report.tables._cells import SPLITS
from pimvae.results.files import Results


def table_ceiling_check(results: Results) -> Table:
    """Per data set and split: LLH under the true model, its error, effective samples; the learned models too."""
    metrics = drop_diverged(results.metrics[results.metrics["experiment"] != "audit"])
    true = metrics[metrics["aggregator"] == TRUE_MODEL]
    if true.empty:
        return NOT_RUN
    head = [
        ["", "", r"\multicolumn{4}{c}{true model}", r"\multicolumn{2}{c}{learned models}"],
        ["", "samples", "LLH", "largest s.e.", r"eff.\ (\%)", r"few (\%)", r"eff.\ (\%)", r"least (\%)"],
    ]
    rows = []
    for name in catalogue().order("datasets", true["dataset"]):
        for split, title in SPLITS.items():
            part = select(metrics, {"dataset": name, "split": split, "subset": "all"})
            mine = select(part, {"aggregator": TRUE_MODEL})
            theirs = part[(part["aggregator"] != TRUE_MODEL) & (part["metric"] == "ess_fraction")]["value"]
            if mine.empty:
                continue
            value = {metric: rows["value"] for metric, rows in mine.groupby("metric")}
            numbers = [value["llh_ceiling"].mean(), value["llh_ceiling_se"].max(), 100 * value["ess_fraction"].mean(),
                       100 * value["ess_few"].max(), 100 * theirs.mean(), 100 * theirs.min()]  # fmt: skip
            labels = [escape(catalogue().look("datasets", name).label), title]
            rows.append([*labels, *map(format_number, numbers)])  # a quadrature has no particles: not a number
    return Table("ll" + "r" * 6, head, [Part(rows)])
