"""The audit on made-up results: effects are paired differences, verdicts are compared arm by arm."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from pimvae.claims.audit import ARMS, _moved, arm_metrics, effects, judge_audit
from pimvae.claims.schema import AuditClaim, read_claims
from pimvae.claims.selection import select
from pimvae.config.catalogue import experiments
from pimvae.errors import UserError
from pimvae.report.tables.t11_verdicts import table_verdicts

PUBLISHED = {f"mcc_{kind}_mean": f"mcc_published_{kind}_in" for kind in ("strong", "weak")}


@pytest.fixture(scope="module")
def metrics(results):
    return results.metrics


@pytest.fixture(scope="module")
def claims():
    """Those of the file, judged by their signs alone: the made-up effects are small."""
    return [claim.model_copy(update={"relevant": 0.0}) for claim in read_claims()]


def audit(metrics, claims):
    claim = next(claim for claim in claims if isinstance(claim, AuditClaim))
    return judge_audit(metrics, claim, claims)


def only(metrics, *arms):
    """Without the data sets of other arms."""
    kept = [f"{data}_{arm}" for data in ("loadings", "views") for arm in arms]
    return metrics[(metrics["experiment"] == "audit") & metrics["dataset"].isin(kept)]


def test_an_arm_goes_by_the_names_of_what_it_stands_for(metrics):
    rows = arm_metrics(metrics, "corrected")
    assert {tuple(pair) for pair in rows[["experiment", "dataset"]].to_numpy()} == {("linear", "dense"),
                                                                                   ("multimodal", "half")}  # fmt: skip
    assert "poe_published" not in set(rows["aggregator"])


def test_the_released_product_goes_by_the_name_of_poe(metrics):
    where = {"metric": "llh_gap", "aggregator": "poe", "objective": "masked"}
    released = select(metrics, {**where, "aggregator": "poe_published", "dataset": "loadings_corrected"})
    found = select(arm_metrics(metrics, "product"), where)
    assert sorted(found["value"]) == sorted(released["value"])


def test_measures_of_the_released_code_replace_ours(metrics):
    rows = arm_metrics(metrics, "measures")
    where = {"aggregator": "moe", "objective": "mixture", "seed": 1}
    score = select(rows, {**where, "metric": "mcc_strong_mean"})["value"].item()
    expected = select(metrics, {**where, "dataset": "views_corrected", "metric": "mcc_published_strong_in"})
    assert score == expected["value"].item()
    loadings = select(metrics, {**where, "dataset": "loadings_corrected"}).set_index("metric")["value"]
    gap = select(rows, {**where, "experiment": "linear", "metric": "bound_gap"})["value"].item()
    assert gap == pytest.approx(loadings["llh"] - loadings["bound_moving"])


@pytest.mark.parametrize(("arm", "shift"), [("subsets", 0.3), ("noise", 0.1), ("split", 2.0)])
def test_effects_are_differences_paired_by_seed(metrics, arm, shift):
    """In the made-up results every switch shifts the gap by its own amount, for every scheme."""
    change = effects(metrics, arm, "multimodal", "masked", "ceiling_gap", "all")
    assert change.count == 9 and abs(change.mean - shift) < 0.02
    assert 0 < change.half < 0.1
    assert np.isnan(effects(metrics, "split", "linear", "masked", "llh_gap", "all").mean)  # the data has no clusters


def test_the_product_is_judged_on_poe_alone(metrics):
    change = effects(metrics, "product", "linear", "masked", "bound_gap", "average")
    assert change.count == 3 and change.mean == pytest.approx(0.5, abs=0.05)


def test_verdicts_are_held_against_the_corrected_arm(metrics, claims):
    judgement = audit(metrics, claims)
    assert judgement.verdict == "refuted"
    assert set(judgement.table["arm"]) == set(ARMS)
    table = judgement.table.set_index(["claim", "arm"])["verdict"]
    assert table["C5b", "corrected"] == "holds" and table["C5b", "all"] == "undecided"  # three seeds
    assert judgement.as_claimed + judgement.against < len(judgement.groups)
    assert judgement.against == sum(
        table[claim, arm] == "refuted" for claim, arm in table.index if table[claim, "corrected"] == "holds"
    )


def without_change(metrics):
    """Every configured arm is a copy of the corrected one, the released product and measures too."""
    rows = only(metrics, "corrected")
    published = rows[rows["aggregator"] == "poe"].assign(aggregator="poe_published")
    rows = pd.concat([rows[rows["aggregator"] != "poe_published"], published], ignore_index=True)
    keys = [key for key in rows if key not in ("split", "subset", "metric", "value")]
    rows = rows[~rows["metric"].isin(["bound_moving", *PUBLISHED.values()])]
    gap = rows[rows["metric"] == "bound_gap"].merge(
        select(rows, {"metric": "llh", "split": "train"})[[*keys, "value"]], on=keys, suffixes=("", "_llh")
    )
    moving = gap.assign(metric="bound_moving", value=gap["value_llh"] - gap["value"]).drop(columns="value_llh")
    score = rows[rows["metric"].isin(PUBLISHED)].replace({"metric": PUBLISHED})
    rows = pd.concat([rows, moving, score], ignore_index=True)
    arms = {name.partition("_")[::2] for name in experiments()["audit"]}
    return pd.concat([rows[rows["dataset"] == f"{data}_corrected"].assign(dataset=f"{data}_{arm}")
                      for data, arm in sorted(arms)], ignore_index=True)  # fmt: skip


def test_it_holds_where_every_arm_is_decided_as_the_corrected_one(metrics, claims):
    rows = without_change(metrics)
    judgement = audit(rows, claims)
    table = judgement.table.set_index(["claim", "arm"])["verdict"]
    decided = [name for name in table.index.unique("claim") if table[name, "corrected"] != "undecided"]
    named = next(claim for claim in claims if isinstance(claim, AuditClaim)).model_copy(update={"audits": decided})
    assert judge_audit(rows, named, claims).verdict == "holds"
    # An arm that was not run leaves it open, and so does a claim that no arm decides.
    assert judge_audit(rows[rows["dataset"] != "loadings_noise"], named, claims).verdict == "undecided"
    few = rows[rows["seed"] == rows["seed"].min()]
    assert set(audit(few, claims).table["verdict"]) == {"undecided"} and audit(few, claims).verdict == "undecided"


def test_a_change_counts_only_where_it_is_more_than_noise(metrics, claims):
    """`_moved` on one comparison by hand: the changes of three seeds, paired."""
    rows = arm_metrics(without_change(metrics), "corrected")
    claim = next(claim for claim in claims if claim.id == "C1c").model_copy(update={"effect": "difference"})
    masked = (rows["metric"] == "llh_gap") & (rows["objective"] == "masked") & (rows["aggregator"] == "moe")
    assert masked.sum() == 3 and not _moved(rows, rows, claim)
    for change, moved in (([0.1, 0.11, 0.12], True), ([0.1] * 3, True), ([0.1, -0.1, 0.12], False)):
        other = rows.copy()
        other.loc[masked, "value"] += change
        assert _moved(other, rows, claim) == moved


def test_without_the_audit_it_is_not_run(metrics, claims):
    judgement = audit(metrics[metrics["experiment"] != "audit"], claims)
    assert judgement.verdict == "not run" and judgement.pairs == 0
    assert "not run" in table_verdicts([judgement]).to_latex()


def test_an_audited_claim_must_exist(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text("- {id: C10, short: s, text: t, experiment: audit, audits: [C8]}\n")
    with pytest.raises(UserError, match="C8 is audited, but there is no such claim"):
        read_claims(path)


def test_the_table_marks_what_changed(metrics, claims):
    lines = {line.split(" & ")[0]: line for line in table_verdicts([audit(metrics, claims)]).to_latex().splitlines()}
    assert r"\verdict{undecided}" in lines["C5b"]
    assert lines["C1a"].split(" & ")[1] == "holds" and " -- " in lines["C1a"]


def test_effects_have_the_interval_of_their_seeds(metrics):
    """Student's interval of one mean per seed, over the schemes that both sides have; by hand."""
    where = {"objective": "masked", "metric": "llh_gap"}
    sides = [select(metrics, {**where, "dataset": f"loadings_{arm}"}) for arm in ("noise", "corrected")]
    pairs = sides[0].merge(sides[1], on=["aggregator", "seed"])
    by_seed = 100 * (pairs["value_x"] - pairs["value_y"]).groupby(pairs["seed"]).mean()
    found = effects(metrics, "noise", "linear", "masked", "llh_gap", "all")
    assert found.mean == pytest.approx(by_seed.mean())
    assert found.half == pytest.approx(student.ppf(0.975, len(by_seed) - 1) * by_seed.std() / len(by_seed) ** 0.5)
    assert found.count == len(pairs)


def test_the_published_correlation_is_audited_for_the_vector_and_its_label(metrics):
    """The arm of the measures reads it in the place of ours; the other arms have no such data set."""
    rows = select(metrics, {"dataset": "views_corrected"}).assign(dataset="clusters_corrected")
    changed = effects(rows, "measures", "bimodal", "masked", "mcc_strong_mean", "all")
    assert changed.count > 0 and np.isfinite(changed.mean)
    assert effects(rows, "noise", "bimodal", "masked", "mcc_strong_mean", "all").count == 0
