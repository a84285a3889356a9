"""Laws that every registered aggregator obeys. A new one is tested by being registered."""

import math

import pytest
import torch
from builders import aggregator, double_precision, generator, normal, same, within
from torch.func import functional_call, stack_module_state, vmap

from pimvae import registry
from pimvae.posteriors import Mixture, standard
from pimvae.subsets import all_subsets

float64 = pytest.fixture(double_precision, autouse=True)
NAMES = registry.names("aggregators")
EXPERTS = [name for name in NAMES if registry.lookup("aggregators", name).experts]
# Every kind of subset, the empty and the full one included, one per sample.
MASK = torch.tensor([[0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1]]).bool()
BATCH, MODALITIES = MASK.shape


class Case:
    """One aggregator, features of four modalities for five samples, and values of the latent to compare densities."""

    def __init__(self, name, dtype=torch.float64, seed=0):
        # Wide, so that a scheme that keeps the largest of each entry reads something of every modality.
        module, width = aggregator(name, seed, pooling_width=32)
        self.module = module.to(dtype)
        self.h = normal(BATCH, MODALITIES, width, seed=seed + 1).to(dtype)
        self.shared, self.own = module.config.latent, module.config.private_latent
        self.z = normal(3, BATCH, self.shared + MODALITIES * self.own, seed=seed + 2).to(dtype)

    def permuted(self, z, order):
        """z with its private latents in another order."""
        private = z[..., self.shared :].unflatten(-1, (MODALITIES, self.own))[..., order, :].flatten(-2)
        return torch.cat([z[..., : self.shared], private], -1)


@pytest.fixture(params=NAMES)
def case(request):
    return Case(request.param)


def score(posterior, z):
    """One number that depends on all of a posterior: its density, its mean and its draws."""
    noise = normal(posterior.components, *z.shape, seed=9).to(z.dtype)
    draws = (posterior.log_weights().exp()[:, None, :, None] * posterior.rsample(noise)).sin()
    return posterior.log_prob(z).sum() + posterior.mean().sin().sum() + draws.sum()


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 2, 0, 1]], ids=str)
def test_permutation_invariance(case, order):
    """Permuting features and mask leaves the shared latent and permutes the private ones."""
    before = case.module(case.h, MASK)
    after = case.module(case.h[:, order], MASK[:, order])
    torch.testing.assert_close(after.mean(), case.permuted(before.mean(), order))
    torch.testing.assert_close(after.log_prob(case.permuted(case.z, order)), before.log_prob(case.z))


@pytest.mark.parametrize("junk", [1e3, -7.0, math.nan, math.inf])
def test_values_outside_the_subset_change_nothing(case, junk):
    """Bitwise: the posterior, the gradients of all parameters and of the features; NaN and infinity included."""
    parameters = list(case.module.parameters())
    results = []
    for h in (case.h, torch.where(MASK.unsqueeze(-1), case.h, junk)):
        h = h.clone().requires_grad_()
        posterior = case.module(h, MASK)
        gradients = torch.autograd.grad(score(posterior, case.z), [h, *parameters])
        results.append([posterior.log_prob(case.z), posterior.mean(), posterior.log_weights(), *gradients])
        assert (gradients[0][~MASK] == 0).all() and (gradients[0][MASK] != 0).any(-1).all()
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_embeddings_outside_the_subset_change_nothing(case):
    """As above for `pool` alone, which the models use: their features of O∖S are finite, but must not be read."""
    results = []
    for h in (case.h, torch.where(MASK.unsqueeze(-1), case.h, 2.5)):
        h = h.clone().requires_grad_()
        posterior = case.module.pool(case.module.embed(h), MASK)
        gradients = torch.autograd.grad(score(posterior, case.z), [h, *case.module.parameters()])
        results.append([posterior.log_prob(case.z), posterior.mean(), *gradients])
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_leaving_modalities_out_is_masking_them(case):
    """The posterior from the modalities of S alone equals the masked one; private latents of the rest: the prior."""
    for row in range(1, BATCH):
        keep = MASK[row]
        alone = case.module(case.h[[row]][:, keep], torch.ones(1, int(keep.sum()), dtype=torch.bool))
        private = case.z[:, [row], case.shared :].unflatten(-1, (MODALITIES, case.own))
        z = torch.cat([case.z[:, [row], : case.shared], private[..., keep, :].flatten(-2)], -1)
        rest = private[..., ~keep, :].flatten(-2)
        expected = alone.log_prob(z)
        if case.own and not keep.all():
            expected = expected + standard(rest.shape[-1], rest).log_prob(rest)
        masked = case.module(case.h[[row]], MASK[[row]])
        torch.testing.assert_close(masked.log_prob(case.z[:, [row]]), expected)


def test_one_modality_alone_tells_the_same_from_every_place(case):
    eye = torch.eye(MODALITIES, dtype=torch.bool)
    first = case.h[:1, :1].expand(MODALITIES, MODALITIES, -1)  # the same features everywhere
    means = case.module(first, eye).mean()[:, : case.shared]
    torch.testing.assert_close(means, means[:1].expand_as(means))
    other = case.module(first + 1, eye).mean()[:, : case.shared]
    assert (other - means).abs().max() > 1e-3


def test_empty_subset_is_finite_and_reads_nothing(case):
    posterior = case.module(case.h, torch.zeros_like(MASK))
    density = posterior.log_prob(case.z[:, :1].expand_as(case.z))
    assert density.isfinite().all() and posterior.mean().isfinite().all()
    torch.testing.assert_close(density, density[:, :1].expand_as(density))


@pytest.mark.parametrize("name", EXPERTS)
def test_experts_of_the_empty_subset_are_the_prior(name):
    case = Case(name)
    posterior = case.module(case.h, torch.zeros_like(MASK))
    prior = standard(case.z.shape[-1], case.z)
    torch.testing.assert_close(posterior.log_prob(case.z), prior.log_prob(case.z))
    assert (posterior.mean() == 0).all()


def test_several_subsets_at_once_are_one_at_a_time(case):
    """Masks [subset, batch, M], of one embedding, as the bounds use them; `select` takes subsets out again."""
    subsets = all_subsets(MODALITIES)
    joint = case.module(case.h, subsets.unsqueeze(1).expand(-1, BATCH, -1))
    embedded = case.module.pool(case.module.embed(case.h), subsets.unsqueeze(1).expand(-1, BATCH, -1))
    assert joint.mean().shape == (len(subsets), BATCH, case.z.shape[-1])
    for index, subset in enumerate(subsets):
        alone = case.module(case.h, subset.expand(BATCH, -1))
        chosen = joint.select(slice(index, index + 1))
        torch.testing.assert_close(chosen.log_prob(case.z.unsqueeze(1))[:, 0], alone.log_prob(case.z))
        torch.testing.assert_close(chosen.mean()[0], alone.mean())
        torch.testing.assert_close(chosen.log_weights()[:, 0], alone.log_weights())
    noise = normal(joint.components, 2, *joint.mean().shape)
    same(embedded, joint, case.z.unsqueeze(1))
    torch.testing.assert_close(joint.select(slice(3, 5)).rsample(noise[:, :, 3:5]), joint.rsample(noise)[:, :, 3:5])


def test_select_takes_samples_where_there_is_no_subset_axis(case):
    part = case.module(case.h, MASK).select(slice(1, 3))
    same(part, case.module(case.h[1:3], MASK[1:3]), case.z[:, 1:3])


def test_gradients_reach_every_parameter(case):
    inputs = dict(case.module.named_parameters()) | {"h": case.h.clone().requires_grad_()}
    total = score(case.module(inputs["h"], MASK), case.z)
    for name, gradient in zip(inputs, torch.autograd.grad(total, list(inputs.values())), strict=True):
        assert gradient.isfinite().all() and gradient.abs().max() > 0, name


def test_detached_density_reaches_its_argument_alone(case):
    """Sticking the landing: the same value, no gradient to parameters or features, the same gradient to z."""
    h, z = case.h.clone().requires_grad_(), case.z.clone().requires_grad_()
    posterior = case.module(h, MASK)
    density, cut = posterior.log_prob(z).sum(), posterior.detach().log_prob(z).sum()
    torch.testing.assert_close(cut, density)
    inputs = [z, h, *case.module.parameters()]
    through_z, *others = torch.autograd.grad(cut, inputs, allow_unused=True)
    if isinstance(posterior, Mixture):  # the others may leave factors plain, if tests/objectives finds no bias
        assert all(gradient is None or not gradient.any() for gradient in others)
    torch.testing.assert_close(through_z, torch.autograd.grad(density, [z])[0])


def test_draws_and_density_belong_together(case):
    """Density of a draw = density of its noise / |dz/dnoise|, for posteriors of one component."""
    posterior = case.module(case.h, MASK)
    if posterior.components > 1:
        # Several components: tests/test_posteriors.py and, with private latents, test_exact.py hold the density.
        assert isinstance(posterior, Mixture) or case.module.config.aggregator == "private_moe"
        return
    noise = normal(1, *posterior.mean().shape)
    jacobian = torch.autograd.functional.jacobian(lambda e: posterior.rsample(e).sum((0, 1)), noise)[:, 0].movedim(1, 0)
    expected = standard(noise.shape[-1], noise).log_prob(noise) - jacobian.det().abs().log()
    torch.testing.assert_close(posterior.log_prob(posterior.rsample(noise)), expected)


def test_density_of_the_own_draw_is_that_of_an_equal_tensor(case):
    """Posteriors may remember their last draw: the same density and gradients as without that, for other points too."""
    results = []
    for copy in (lambda z: z, lambda z: z * 1):
        h = case.h.clone().requires_grad_()
        posterior = case.module(h, MASK)
        z = posterior.rsample(normal(posterior.components, *case.z.shape))
        density = posterior.log_prob(copy(z))
        inputs = [h, *case.module.parameters()]
        others = [q.log_prob(copy(z) + 0.3) for q in (posterior, posterior.detach(), case.module(h, MASK))]
        torch.testing.assert_close(others[0], others[2])
        torch.testing.assert_close(others[1], others[2])
        results.append([density, posterior.detach().log_prob(copy(z)), *torch.autograd.grad(density.sum(), inputs)])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second)


def test_ordinary_draws_follow_the_stratified_ones(case):
    """Moments of `sample` against the same moments by `rsample`: two independent estimates of one number."""
    posterior = case.module(case.h, MASK)
    count = 8_000
    z = posterior.sample(count, generator())
    assert z.shape == (count, *posterior.mean().shape)
    stratified = posterior.rsample(normal(posterior.components, *z.shape, seed=5))
    weights = posterior.log_weights().exp()[:, None, :, None]
    for moment in (torch.tanh, lambda v: torch.tanh(v).square(), lambda v: torch.tanh(v[..., :1] * v)):
        within(moment(z) - (weights * moment(stratified)).sum(0), 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_works_under_vmap(name):
    """Three replicas at once, parameters and inputs stacked, equal one at a time."""
    cases = [Case(name, seed=seed) for seed in range(3)]
    parameters, buffers = stack_module_state([case.module for case in cases])
    h, z = (torch.stack([getattr(case, part) for case in cases]) for part in ("h", "z"))

    def one(state, h, z):
        class Scored(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = cases[0].module

            def forward(self, h, z):
                posterior = self.inner(h, MASK)
                return posterior.mean(), posterior.log_prob(z), posterior.detach().log_prob(z)

        return functional_call(Scored(), {f"inner.{key}": value for key, value in state.items()}, (h, z))

    results = vmap(one)(parameters | buffers, h, z)
    for row, case in enumerate(cases):
        posterior = case.module(case.h, MASK)
        torch.testing.assert_close(results[0][row], posterior.mean())
        for density in results[1:]:
            torch.testing.assert_close(density[row], posterior.log_prob(case.z))


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_in_single_precision_out(name):
    """float32 inputs and weights give float32 results, close to those of float64, whatever the default type."""
    double, single = Case(name), Case(name, torch.float32)
    posterior = single.module(single.h, MASK)
    for value in (posterior.mean(), posterior.log_prob(single.z), posterior.log_weights()):
        assert value.dtype == torch.float32
    same(posterior.select(slice(0, BATCH)), posterior, single.z)
    expected = double.module(double.h, MASK).log_prob(double.z)
    torch.testing.assert_close(posterior.log_prob(single.z).double(), expected, rtol=1e-4, atol=1e-4)
