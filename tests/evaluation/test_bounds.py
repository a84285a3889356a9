"""What the evaluation reports of a bound against the bound as it is trained, draw by draw."""

import pytest
import torch
from builders import BOUNDS, DIMS, double_precision, draws, normal, observations, vae, within

from pimvae import registry
from pimvae.errors import UserError
from pimvae.evaluation.bounds import average_anatomy, linear_gaussian, subset_posteriors
from pimvae.subsets import all_subsets, subset_weights

float64 = pytest.fixture(double_precision, autouse=True)
SAMPLES, REPEATS = 3, 4_000
SUBSETS = all_subsets(len(DIMS))


@pytest.mark.parametrize("name", registry.names("aggregators"))
def test_the_exact_model_is_the_one_that_the_vae_has_learned(name):
    """log p(x|z) of both at random latents, private ones included."""
    model, x = vae(name), observations(SAMPLES)
    z = normal(7, SAMPLES, model.latent_size, seed=3)
    exact = linear_gaussian(model)
    torch.testing.assert_close(model.log_likelihood(x, z), exact.log_likelihood_given(x.movedim(0, 1), z))


@pytest.mark.parametrize(
    "changes",
    [{"decoder": "injective"}, {"decoder_scale": "learned"}, {"prior": "mixture"}, {"family": "laplace"}],
    ids=str,
)
def test_models_without_exact_answers_are_refused(changes):
    with pytest.raises(UserError, match="exact answers need a linear decoder"):
        linear_gaussian(vae("moe", **changes))


def bounds(objective, model, x):
    """The objective as it is trained, averaged over the exact subset law: one value per sample of x."""
    count = x.shape[1]
    mask, subset = torch.ones(count, len(DIMS), dtype=torch.bool), SUBSETS[:, None].expand(-1, count, -1)
    noise = draws(model.posterior(x[:, :1], mask[:1]).components, 1, len(SUBSETS), count, model.latent_size, seed=1)
    values = registry.lookup("objectives", objective)(model, x, mask, subset, noise).value
    return (subset_weights(SUBSETS, mask[:1], BOUNDS[objective].subset_law or "uniform_size") * values).sum(0)


# Every aggregator with the two bounds, every other objective whose gap is explained with its own or with some.
EXPLAINED = [name for name, objective in BOUNDS.items() if objective.anatomy is not None]
PAIRS = [
    (name, objective)
    for objective in EXPLAINED
    for name in registry.names("aggregators")
    if objective in ("masked", "mixture") or name == (BOUNDS[objective].aggregator or "sum_pooling")
]


@torch.no_grad()
@pytest.mark.parametrize(("name", "objective"), PAIRS)
def test_the_average_gap_is_that_of_the_trained_bound(name, objective):
    """Exact likelihood − mean of the objective over noise and the subset law, for many copies of one sample."""
    model, x = vae(name, noise_scale=2.0), observations(1, seed=2).expand(-1, REPEATS, -1)
    exact, columns = linear_gaussian(model), x.movedim(0, 1)
    everything = torch.ones(REPEATS, len(DIMS), dtype=torch.bool)
    trained = exact.log_likelihood(columns, everything) - bounds(objective, model, x)
    noise = normal(7, 4, REPEATS, model.latent_size, seed=9)
    found = average_anatomy(BOUNDS[objective], exact, columns, subset_posteriors(model, x), noise)
    # What is reported has four draws where `trained` has one: their difference has at most twice its variance.
    gap = found.pop("gap")
    within(2**-0.5 * trained, 2**-0.5 * gap)
    if model.config.private_latent:
        assert not found
    else:
        assert gap == pytest.approx(sum(found.values()))
        masked = ["full_kl"] if BOUNDS[objective].anatomy == "masked" else []
        assert list(found) == ["subset_kl", "prediction", *masked] and found["subset_kl"] > 0
