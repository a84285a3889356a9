"""Own data beside simple models: metrics as means over samples, paired differences, verdicts."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, r2_score

from pimvae.data.modality import Modality
from pimvae.data.readers import read_memory
from pimvae.evaluation.gaussian_em import GaussianMixture
from pimvae.evaluation.own import evaluate
from pimvae.evaluation.own_baselines import Baselines, score
from pimvae.evaluation.rows import COLUMNS
from pimvae.library import MultimodalVAE
from pimvae.library.data import pack_collection
from pimvae.report.own_summary import summary, verdict


def data(n, seed):
    g = np.random.default_rng(seed)
    z = g.normal(size=(n, 2))
    kind = np.where(z[:, 0] > 0, "high", "low")
    return {"a": z @ g.normal(size=(2, 3)) + g.normal(size=(n, 3)), "b": z + g.normal(size=(n, 2)), "kind": kind}


def test_scores_are_numbers_per_sample_whose_means_are_the_metrics():
    g = np.random.default_rng(0)
    true, guess = g.normal(size=(30, 3)), g.normal(size=(30, 3))
    ((name, values),) = score(Modality("x", "gaussian", 3), true, guess)
    assert name == "r2" and values.shape == (30,)
    assert values.mean() == pytest.approx(r2_score(true, guess), abs=1e-12)
    ((name, values),) = score(
        Modality("c", "categorical", 3, classes=("r", "s", "t")), np.eye(3)[[0, 1, 2, 2]], true[:4]
    )
    assert name == "accuracy" and values.mean() == accuracy_score([0, 1, 2, 2], true[:4].argmax(1))
    ((name, values),) = score(Modality("b", "binary", 3), (true > 0.5).astype(float), guess)
    assert values.mean() == pytest.approx(((true > 0.5) == (guess > 0.5)).mean(), abs=1e-12)


def test_differences_from_simple_models_are_paired_by_sample():
    train, test = data(40, 0), data(25, 1)
    small = {"model.encoder_widths": [4], "model.features": 4, "model.pooling_width": 4, "evaluation.particles": 8}
    model = MultimodalVAE.from_data(train, latent=2, settings=small)
    model.cell = model.cell.model_copy(update={"seeds": (0, 1)})
    model.models = [model.fresh(seed) for seed in model.seeds]
    rows = evaluate(model, read_memory(train), read_memory(test))
    found = {tuple(str(row[COLUMNS.index(name)]) for name in ("baseline", "seed", "split", "subset", "metric")): row[-1]
             for row in rows}  # fmt: skip
    simple = {(baseline, subset, metric): values for baseline, subset, metric, values in
              Baselines(model.modalities, pack_collection(read_memory(train), model.modalities)).scores(
                  pack_collection(read_memory(test), model.modalities))}  # fmt: skip
    pairs = [
        ("gaussian", "all", "llh"),
        ("regression", "modality:b", "r2"),
        ("regression", "modality:kind", "accuracy"),
    ]
    for baseline, subset, metric in pairs:
        plain = found[baseline, "0", "test", subset, metric]
        assert plain == pytest.approx(simple[baseline, subset, metric].mean())
        for seed in "01":
            ahead = found[baseline, seed, "test", subset, f"{metric}_ahead"]
            assert ahead == pytest.approx(found["average", seed, "test", subset, metric] - plain)
    each = np.stack([model.replica(seed).log_likelihood(test, draws=4000).value for seed in (0, 1)])
    density = np.log(np.exp(each).mean(0)).mean()
    assert found["average", "0", "test", "all", "llh"] == pytest.approx(density, abs=0.05)
    sharp = np.mean([model.replica(seed).predict(test, "kind", draws=4000).mean for seed in (0, 1)], 0).argmax(1)
    right = (np.array(["high", "low"])[sharp] == test["kind"]).astype(float)
    paired = right - simple["regression", "modality:kind", "accuracy"]
    error = found["regression", "0", "test", "modality:kind", "accuracy_ahead_se"]
    assert error == pytest.approx(paired.std(ddof=1) / 5, abs=0.03)

    line = next(text for text in summary(rows) if text.split()[:3] == ["test", "llh", "all"])
    assert "gaussian" in line and "(worse, " in line  # it is untrained
    assert not any("ahead" in text.split()[1] for text in summary(rows)[:-1])


@pytest.mark.parametrize(("ahead", "error", "said"), [
    ([0.2, 0.4], 0.1, "better, +0.3 ± 0.2"),
    ([-0.1, 0.0], 0.1, "equal, -0.05 ± 0.2"),
    ([-0.3], 0.1, "worse, -0.3 ± 0.2"),
    ([1.2], np.nan, "open, +1.2"),  # one sample has no standard error
])  # fmt: skip
def test_verdicts(ahead, error, said):
    assert verdict(ahead, [error] * len(ahead)) == said


def test_one_gaussian_is_fitted_to_what_is_observed_where_few_samples_are_complete():
    """With half of the modalities missing it comes close to the truth; at their means it would lose nats."""
    g = np.random.default_rng(0)
    modalities, columns, n = 5, 6, 1200
    mixing = g.normal(size=(modalities * columns, 3))
    values = [g.normal(size=(n, 3)) @ mixing.T + 0.7 * g.normal(size=(n, modalities * columns)) for _ in range(2)]
    names = [f"m{s}" for s in range(modalities)]

    def collection(table):
        parts = dict(zip(names, np.split(table.copy(), modalities, axis=1), strict=True))
        for s, part in enumerate(parts.values()):
            part[g.random(n) < 0.7 * (s > 0)] = np.nan
        return read_memory(parts)

    train, test = map(collection, values)
    model = MultimodalVAE.from_data(train, latent=2, standardise=False)
    packed = [pack_collection(part, model.modalities) for part in (train, test)]
    assert packed[0].mask.all(1).sum() < modalities * columns
    scores = {name: score for name, subset, metric, score in Baselines(model.modalities, packed[0]).scores(packed[1])
              if metric == "llh"}  # fmt: skip
    truth = GaussianMixture(
        np.ones(1), np.zeros((1, len(mixing))), (mixing @ mixing.T + 0.49 * np.eye(len(mixing)))[None]
    )
    seen = np.repeat(packed[1].mask.numpy(), columns, axis=1)
    exact = truth.log_likelihood(np.concatenate([part.numpy() for part in packed[1].x.double()], 1), seen).mean()
    assert all(0 < exact - scores[name].mean() < 1.5 for name in ("gaussian", "ppca"))
    assert scores["independent"].mean() < scores["gaussian"].mean() - 2
