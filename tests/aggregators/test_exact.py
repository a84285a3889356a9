"""Aggregators with a formula against that formula: numerical products and mixtures, torch's own attention."""

import math

import pytest
import torch
from builders import double_precision, model_config, normal, randomised
from torch import nn
from torch.distributions import Laplace, Normal

from pimvae import registry
from pimvae.aggregators._transformer import Block, SetTransformer
from pimvae.models.vae import seeded
from pimvae.subsets import all_subsets

float64 = pytest.fixture(double_precision, autouse=True)
FLOOR = 5e-4
GRID = torch.linspace(-15, 15, 60_001, dtype=torch.float64)
LOC, SCALE = torch.tensor([[0.7], [-1.3], [2.1]]).double(), torch.tensor([[0.4], [1.5], [0.9]]).double()


def experts(loc, scale):
    """Features of experts with these locations and scales, [M, 2·latent]."""
    return torch.cat([loc, (scale - FLOOR).log()], -1)


def posterior(name, subset, loc=LOC, scale=SCALE, **changes):
    """q(z|x_S) of one sample."""
    module = registry.lookup("aggregators", name)(
        model_config(name, latent=loc.shape[-1], **changes), 2 * loc.shape[-1]
    )
    return module(experts(loc, scale).unsqueeze(0), subset.unsqueeze(0))


def density(q):
    return q.log_prob(GRID[:, None, None])[:, 0].exp()


@pytest.mark.parametrize("subset", all_subsets(3), ids=lambda s: "".join(map(str, s.int().tolist())))
def test_poe_is_the_normalised_product_with_the_prior(subset):
    log_product = Normal(0.0, 1.0).log_prob(GRID) + Normal(LOC, SCALE).log_prob(GRID)[subset].sum(0)
    product = (log_product - log_product.max()).exp()
    torch.testing.assert_close(
        density(posterior("poe", subset)), product / torch.trapezoid(product, GRID), rtol=1e-8, atol=1e-10
    )


@pytest.mark.parametrize("subset", all_subsets(3)[1:], ids=lambda s: "".join(map(str, s.int().tolist())))
@pytest.mark.parametrize(("family", "reference"), [("gaussian", Normal), ("laplace", Laplace)])
def test_moe_is_the_uniform_mixture_of_the_experts(subset, family, reference):
    expected = reference(LOC, SCALE).log_prob(GRID).exp()[subset].mean(0)
    torch.testing.assert_close(density(posterior("moe", subset, family=family)), expected)


@pytest.mark.parametrize("subset", all_subsets(3)[1:], ids=lambda s: "".join(map(str, s.int().tolist())))
def test_mopoe_averages_the_products_of_all_nonempty_subsets(subset):
    members = [t for t in all_subsets(3)[1:] if not (t & ~subset).any()]
    expected = sum(density(posterior("poe", t)) for t in members) / len(members)
    torch.testing.assert_close(density(posterior("mopoe", subset)), expected)


@pytest.mark.parametrize("name", ["poe", "moe", "mopoe"])
def test_moments_by_quadrature(name):
    q = posterior(name, torch.tensor([True, False, True]))
    mean = torch.trapezoid(GRID * density(q), GRID)
    variance = torch.trapezoid((GRID - mean).square() * density(q), GRID)
    assert q.mean().item() == pytest.approx(mean.item(), abs=1e-9)
    assert q.variance().item() == pytest.approx(variance.item(), abs=1e-7)


def test_one_expert_alone():
    """MoE of one expert is the expert; PoE of one is its product with the prior, in closed form."""
    alone = torch.tensor([False, True, False])
    mixture, product = posterior("moe", alone), posterior("poe", alone)
    z = normal(50, 1, 1)
    torch.testing.assert_close(mixture.log_prob(z), Normal(-1.3, 1.5).log_prob(z)[..., 0])
    variance = 1 / (1 + 1 / 1.5**2)
    torch.testing.assert_close(product.log_prob(z), Normal(-1.3 / 1.5**2 * variance, variance**0.5).log_prob(z)[..., 0])


def test_dimensions_do_not_meet_in_a_product():
    loc, scale = normal(3, 4), normal(3, 4, seed=1).exp()
    everything = torch.ones(3, dtype=torch.bool)
    joint = posterior("poe", everything, loc, scale)
    for d in range(4):
        one = posterior("poe", everything, loc[:, [d]], scale[:, [d]])
        torch.testing.assert_close(joint.mean()[0, d], one.mean()[0, 0])
        torch.testing.assert_close(joint.variance()[0, d], one.variance()[0, 0])


def test_published_poe_has_the_documented_numbers():
    """Experts N(1, 0.1²) and N(−1, 1): the product's mean is 0.97, the published code's is near 0."""
    loc, scale = torch.tensor([[1.0], [-1.0]]), torch.tensor([[0.1], [1.0]])
    both = torch.ones(2, dtype=torch.bool)
    product, published = (posterior(name, both, loc, scale) for name in ("poe", "poe_published"))
    assert product.mean().item() == pytest.approx(99 / 102, abs=1e-12)
    assert product.variance().item() == pytest.approx(1 / 102, abs=1e-12)
    variances = (0.1**2 + 1e-3, 1.0 + 1e-3)
    precision = 1 + sum(1 / v for v in variances)
    assert published.mean().item() == pytest.approx((variances[0] - variances[1]) / precision, abs=1e-12)
    assert abs(published.mean().item()) < 0.02
    assert published.variance().item() == pytest.approx(1 / precision, abs=1e-12)


def test_private_poe_is_a_product_beside_independent_experts():
    config = model_config("private_poe", latent=2, private_latent=1)
    module = registry.lookup("aggregators", "private_poe")(config, 6)
    loc, scale = normal(3, 3), normal(3, 3, seed=1).exp()
    subset = torch.tensor([True, False, True])
    q = module(experts(loc, scale).unsqueeze(0), subset.unsqueeze(0))
    z = normal(20, 1, 5)
    shared = posterior("poe", subset, loc[:, :2], scale[:, :2]).log_prob(z[..., :2])
    own = Normal(loc[:, 2], scale[:, 2]).log_prob(z[..., 2:])
    torch.testing.assert_close(
        q.log_prob(z), shared + torch.where(subset, own, Normal(0.0, 1.0).log_prob(z[..., 2:])).sum(-1)
    )


def test_private_moe_is_a_mixture_beside_independent_experts():
    config = model_config("private_moe", latent=2, private_latent=1)
    module = registry.lookup("aggregators", "private_moe")(config, 6)
    loc, scale = normal(3, 3), normal(3, 3, seed=1).exp()
    subset = torch.tensor([True, False, True])
    q = module(experts(loc, scale).unsqueeze(0), subset.unsqueeze(0))
    z = normal(20, 1, 5)
    shared = posterior("moe", subset, loc[:, :2], scale[:, :2]).log_prob(z[..., :2])
    own = Normal(loc[:, 2], scale[:, 2]).log_prob(z[..., 2:])
    torch.testing.assert_close(
        q.log_prob(z), shared + torch.where(subset, own, Normal(0.0, 1.0).log_prob(z[..., 2:])).sum(-1)
    )


def private(name):
    """A private learned aggregator and its q for features [5, 3, 5] under five subsets."""
    with seeded(0):
        module = randomised(registry.lookup("aggregators", name)(model_config(name), 5), 0)
    h, mask = normal(5, 3, 5), torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 0]]).bool()
    return module, module(h, mask), h, mask


def independent(output, z, mask):
    """Σ_s log q(z̃_s) with (mean, log-scale) = output for s ∈ S, the standard normal otherwise."""
    loc, scale = output[..., :2], output[..., 2:].exp() + FLOOR
    inside = Normal(loc, scale).log_prob(z).sum(-1)
    return torch.where(mask, inside, Normal(0.0, 1.0).log_prob(z).sum(-1)).sum(-1)


def test_private_sum_pooling_has_its_formula():
    r"""q(z'|x_S) from ρ(Σ χ(h_s)); q(z̃_s|z', x_S) from ρ(Σ_{j∈S} χ_0(h_j) + χ_1(z') + χ_2(h_s))."""
    module, q, h, mask = private("private_sum_pooling")
    z, inside = normal(7, 5, 8), mask.unsqueeze(-1)
    shared = module.rho((module.chi(h) * inside).sum(-2))
    net = module.equivariant
    context = (module.chi_set(h) * inside).sum(-2, keepdim=True) + module.chi_own(h)
    output = net.rho(context + net.chi_shared(z[..., :2]).unsqueeze(-2))
    expected = Normal(shared[:, :2], shared[:, 2:].exp() + FLOOR).log_prob(z[..., :2]).sum(-1)
    torch.testing.assert_close(q.log_prob(z), expected + independent(output, z[..., 2:].unflatten(-1, (3, 2)), mask))


def test_private_self_attention_has_its_formula():
    r"""q(z̃_s|z', x_S) from a transformer on the tokens χ_2(h_s) + χ_1(z'), s ∈ S, one output per token."""
    module, q, h, mask = private("private_self_attention")
    z, net = normal(7, 5, 8), module.equivariant
    shared = module.rho(module.transformer(module.chi(h), mask).sum(-2))
    tokens = module.chi_own(h) + net.chi_shared(z[..., :2]).unsqueeze(-2)
    output = net.rho(net.transformer(tokens, mask.expand(7, 5, 3)))
    expected = Normal(shared[:, :2], shared[:, 2:].exp() + FLOOR).log_prob(z[..., :2]).sum(-1)
    torch.testing.assert_close(q.log_prob(z), expected + independent(output, z[..., 2:].unflatten(-1, (3, 2)), mask))


def test_scales_have_their_floor():
    h = torch.full((1, 3, 2), -1e4)
    module = registry.lookup("aggregators", "moe")(model_config("moe", latent=1, encoder_floor=0.25), 2)
    assert (module(h, torch.ones(1, 3, dtype=torch.bool)).scale == 0.25).all()


def test_attention_is_that_of_torch():
    """`Block.attend` against torch's multi-head attention with the same weights, for every non-empty subset."""
    width, heads = 8, 2
    with seeded(0):
        block = randomised(Block(width, heads), 0)
        reference = nn.MultiheadAttention(width, heads, bias=True, batch_first=True)
    reference.in_proj_weight.data, reference.in_proj_bias.data = (
        block.query_key_value.weight.data.t(),
        torch.zeros(3 * width),
    )
    reference.out_proj.weight.data, reference.out_proj.bias.data = block.output.weight.data.t(), block.output.bias.data
    subsets = all_subsets(4)[1:]
    g = normal(len(subsets), 4, width)
    expected = reference(g, g, g, key_padding_mask=~subsets, need_weights=False)[0]
    attended = block.attend(g.movedim(1, 0).unsqueeze(1), subsets.t().unsqueeze(1))  # one subset of each sample
    torch.testing.assert_close(attended.squeeze(1).movedim(0, 1)[subsets], expected[subsets])


def test_set_transformer_is_pre_layer_norm_with_a_final_norm():
    with seeded(0):
        transformer = randomised(SetTransformer(8, 2, 2), 0)
    g, mask = normal(3, 4, 8), torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]]).bool()
    expected, samples_last = g, mask.t().unsqueeze(1)
    for block in transformer.blocks:
        attended = block.attend(block.norm_attention(expected).movedim(1, 0).unsqueeze(1), samples_last)
        expected = expected + attended.squeeze(1).movedim(0, 1)
        hidden = block.norm_forward(expected)
        expected = expected + block.outer(block.inner(hidden).clamp(min=0))
    expected = nn.functional.layer_norm(expected, (8,), transformer.norm.weight, transformer.norm.bias, 1e-6)
    torch.testing.assert_close(transformer(g, mask), torch.where(mask.unsqueeze(-1), expected, 0.0))


@pytest.mark.parametrize("blocks", [1, 2])
def test_set_transformer_of_several_subsets_is_that_of_each(blocks):
    """A mask with leading axes of its own, [2, 5, samples, M], and one that lacks the samples."""
    with seeded(0):
        transformer = randomised(SetTransformer(8, 2, blocks), 0)
        mask = torch.rand(2, 5, 3, 4) < 0.5
    g = normal(3, 4, 8)
    expected = torch.stack([torch.stack([transformer(g, each) for each in row]) for row in mask])
    torch.testing.assert_close(transformer(g, mask), expected)
    torch.testing.assert_close(transformer(g, mask[0, 0, 0]), transformer(g, mask[0, 0, 0].expand(3, 4)))


@pytest.mark.parametrize("name", ["sum_pooling_mixture", "self_attention_mixture"])
def test_mixture_schemes_with_one_component_are_the_plain_ones(name):
    """Same weights but for the logit that one component does not need."""
    plain_name = name.removesuffix("_mixture")
    with seeded(0):
        mixture, plain = (
            registry.lookup("aggregators", n)(model_config(n, components=1), 5) for n in (name, plain_name)
        )
    state = mixture.state_dict()
    last = [key for key in state if key.startswith("rho.layers.2")]
    plain.load_state_dict(state | {key: state[key][..., 1:] for key in last})
    h, mask, z = normal(6, 3, 5), torch.rand(6, 3) < 0.5, normal(6, 2)
    torch.testing.assert_close(mixture(h, mask).log_prob(z), plain(h, mask).log_prob(z))
    assert math.prod(mixture(h, mask).logits.shape) == 6
