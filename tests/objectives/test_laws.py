"""Laws that every bound obeys with every registered aggregator, on small models with random weights."""

import numpy as np
import pytest
import torch
from builders import (
    BATCH,
    CHOSEN,
    DIMS,
    DISTINCT,
    FAMILY,
    MAX_DIM,
    OBSERVED,
    PAIRS,
    BoundCase,
    double_precision,
    draws,
    gradients,
    observations,
    randomised,
    vae,
)  # fmt: skip
from torch.func import vmap

from pimvae import registry
from pimvae.data.dataset import Split
from pimvae.objectives._base import Draws
from pimvae.training.packing import pack

float64 = pytest.fixture(double_precision, autouse=True)
OBJECTIVES = DISTINCT


@pytest.fixture(params=OBJECTIVES)
def objective(request):
    return request.param


@pytest.fixture(params=PAIRS, ids="-".join)
def case(request):
    return BoundCase(*request.param)


@pytest.mark.parametrize("samples", [1, 3])
def test_values_and_terms_are_finite_and_per_sample(case, samples):
    bound = case(samples)
    assert bound.value.shape == (len(CHOSEN), BATCH) and bound.value.isfinite().all()
    for name, term in bound.terms.items():
        assert term.shape == bound.value.shape and term.isfinite().all() and not term.requires_grad, name


def test_terms_sum_to_the_bound_and_beta_weighs_the_information(case):
    for beta in (0.0, 0.5, 1.0, 4.0):
        bound = case(beta=beta)
        log_likelihood = sum(term for name, term in bound.terms.items() if name.startswith("log_likelihood"))
        log_ratio = sum(term for name, term in bound.terms.items() if name.startswith("information"))
        torch.testing.assert_close(bound.value, log_likelihood - beta * log_ratio)
    torch.testing.assert_close(case(beta=torch.tensor(4.0)).value, bound.value)


def test_several_subsets_are_one_at_a_time(case):
    joint, noise = case(), case.noise()
    for n in range(len(CHOSEN)):
        alone = case(subset=CHOSEN[[n]], draws=Draws(noise.subset[:, :, [n]], noise.full))
        torch.testing.assert_close(alone.value, joint.value[[n]])


@pytest.mark.parametrize("junk", [1.7, -30.0])
def test_values_of_missing_modalities_change_nothing(case, junk):
    """Bitwise, gradients included; what is not a number is removed before, see the next test."""
    results = []
    for x in (case.x, torch.where(OBSERVED.T.unsqueeze(-1), case.x, junk)):
        value = case(x=x).value
        results.append([value, *gradients(case.model, value)])
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_nan_in_missing_modalities_never_gets_in(case):
    values = []
    for junk in (0.0, np.nan):
        x = tuple(np.where(OBSERVED.numpy()[:, [s]], case.x[s, :, :dim].numpy(), junk) for s, dim in enumerate(DIMS))
        packed = pack(Split(tuple(v.astype(np.float32) for v in x), OBSERVED.numpy()), MAX_DIM).to(torch.float64)
        bound = case(x=packed.x, observed=packed.mask).value
        values.append([bound, *gradients(case.model, bound)])
    for clean, dirty in zip(*values, strict=True):
        assert dirty.isfinite().all() and torch.equal(clean, dirty)


def test_whole_subset_gives_the_ordinary_bound(case):
    """S = O: every bound of the family that has a prior is log p(x_O|z) + log p(z) − log q(z|x_O) at the same z."""
    if case.name not in FAMILY:  # see test_baselines.py
        return
    noise = case.noise(subsets=1)
    value = case(subset=OBSERVED.unsqueeze(0), draws=Draws(noise.subset, noise.subset)).value[0]
    q = case.model.posterior(case.x, OBSERVED)
    z = q.rsample(noise.subset[:, 0, 0])
    log_likelihood = (case.model.log_likelihood(case.x, z) * OBSERVED).sum(-1)
    prior = q.log_prob(z) if case.name == "tc" else case.model.log_prior(z)
    torch.testing.assert_close(value, (q.log_weights().exp() * (log_likelihood + prior - q.log_prob(z))).sum(0))


def test_equal_samples_weigh_as_one(case):
    """R equal draws give a value that does not depend on R; with one component, that of R = 1 too."""
    noise = case.noise()
    two, four = (
        case(draws=Draws(noise.subset.expand(-1, n, *[-1] * 3), noise.full.expand(-1, n, *[-1] * 3))).value
        for n in (2, 4)
    )
    torch.testing.assert_close(two, four)
    if case.components == 1:  # else R = 1 averages over components outside the logarithm
        torch.testing.assert_close(two, case(draws=noise).value)


def test_importance_weighting_is_never_below_the_plain_average(case):
    """Jensen's inequality, for every set of draws: the value of R draws is at least the mean of their R values."""
    noise = case.noise(4)
    plain = [case(draws=Draws(noise.subset[:, [r]], noise.full[:, [r]])).value for r in range(4)]
    weighted = case(draws=noise).value
    assert (weighted >= torch.stack(plain).mean(0) - 1e-12).all()
    assert (weighted > torch.stack(plain).mean(0) + 1e-6).any()


def permuted(model, order):
    """The model with its modalities in another order: encoders and decoders are batched over the first axis."""
    other = vae(model.config.aggregator)
    state = model.state_dict()
    moved = ("encoder.", "decoder.")
    other.load_state_dict({name: p[order] if name.startswith(moved) else p for name, p in state.items()})
    other.decoder.valid = model.decoder.valid[order]
    return other


def test_permuting_the_modalities_changes_no_bound(case):
    """With encoders, decoders and masks; private noise moves along. Equal noise for all components: MoE permutes."""
    order = [2, 0, 1]
    size, noise = case.model.config.latent, case.noise()
    noise = Draws(*(part[:1].expand(case.components, *[-1] * 4) for part in (noise.subset, noise.full)))
    own = [size + s * case.model.config.private_latent for s in order]
    places = [*range(size), *(start + i for start in own for i in range(case.model.config.private_latent))]
    other = permuted(case.model, order)
    value = case.bound(
        other,
        case.x[order],
        OBSERVED[:, order],
        CHOSEN[..., order],
        Draws(noise.subset[..., places], noise.full[..., places]),
    ).value
    torch.testing.assert_close(value, case(draws=noise).value)


def test_bounds_of_a_laplace_model_use_its_density():
    """S = O, one component: the bound by hand with torch's Laplace distribution."""
    model = randomised(vae("sum_pooling", family="laplace"), 1)
    x, noise = observations(BATCH), draws(1, 1, 1, BATCH, model.latent_size)
    everything = torch.ones(BATCH, 3, dtype=torch.bool)
    value = registry.lookup("objectives", "mixture")(model, x, everything, everything.unsqueeze(0), noise).value
    q = model.posterior(x, everything)
    z = q.loc[:, 0] + q.scale[:, 0] * noise.subset[0, 0, 0]
    densities = [torch.distributions.Laplace(0.0, 1.0), torch.distributions.Laplace(q.loc[:, 0], q.scale[:, 0])]
    prior, own = (density.log_prob(z).sum(-1) for density in densities)
    torch.testing.assert_close(value[0], model.log_likelihood(x, z).sum(-1) + prior - own)


def test_bounds_are_vectorised_over_beta(objective):
    """β may be a tensor with an axis that vmap takes away, as in a stack of replicas."""
    case = BoundCase(objective, "sum_pooling")
    betas = torch.tensor([0.0, 1.0, 2.5])
    noise = case.noise()
    stacked = vmap(lambda beta: case(beta=beta, draws=noise).value)(betas)
    for beta, value in zip(betas, stacked, strict=True):
        torch.testing.assert_close(value, case(beta=float(beta)).value)
