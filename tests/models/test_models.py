"""Decoders against torch's distributions, and the VAE that joins the parts."""

import pytest
import torch
from builders import DIMS, MAX_DIM, affine, double_precision, model_config, normal, observations, randomised, vae
from torch.distributions import Categorical, Normal

from pimvae import registry
from pimvae.errors import UserError
from pimvae.models import decoders
from pimvae.models.decoders import VectorDecoder
from pimvae.models.networks._base import Modalities
from pimvae.models.vae import build_model, parameter_count, seeded

float64 = pytest.fixture(double_precision, autouse=True)
BATCH = 4
VALID = torch.arange(MAX_DIM) < torch.tensor(DIMS)[:, None]
GAUSSIAN = ("gaussian",) * 3
MIXED = ("gaussian", "categorical", "gaussian")


def decoder(likelihoods=GAUSSIAN, noise_scale=0.7, **changes):
    config = model_config("poe", **changes)
    with seeded(0):
        module = VectorDecoder(config, Modalities(tuple(DIMS), MAX_DIM, likelihoods, noise_scale))
    return randomised(module, 1)


def data(likelihoods):
    """Standard normal or one-hot observations, padding zero."""
    x = observations(BATCH)
    for s, kind in enumerate(likelihoods):
        if kind == "categorical":
            x[s] = torch.eye(MAX_DIM)[torch.arange(BATCH) % DIMS[s]]
    return x


def by_hand(module, s, z):
    """d_s(z) without padding."""
    hidden = affine(module.layers[0], s, z.shape[-1], DIMS[s], z)
    for layer in module.layers[1:]:
        hidden = affine(layer, s, DIMS[s], DIMS[s], torch.where(hidden > 0, hidden, 0.1 * hidden))
    return hidden


@pytest.mark.parametrize("scale", ["fixed", "learned"])
@pytest.mark.parametrize("kind", ["linear", "injective"])
@pytest.mark.parametrize(
    "likelihoods", [GAUSSIAN, MIXED, ("categorical",) * 3], ids=["gaussian", "mixed", "categorical"]
)
def test_log_likelihood_is_that_of_torch(likelihoods, kind, scale):
    module = decoder(likelihoods, decoder=kind, decoder_scale=scale)
    x, z = data(likelihoods), normal(3, 5, 2, BATCH, 2)
    result = module.log_likelihood(x, z)
    assert result.shape == (5, 2, BATCH, 3)
    if "categorical" not in likelihoods:  # padding is not read, whatever it holds (one-hot padding is 0)
        assert torch.equal(module.log_likelihood(torch.where(VALID.unsqueeze(1), x, 9.0), z), result)
    for s, dim in enumerate(DIMS):
        output = by_hand(module, s, z[s])
        if likelihoods[s] == "categorical":
            expected = Categorical(logits=output).log_prob(x[s].argmax(-1))
        else:
            sigma = module.log_scale[s, :dim].exp() + 5e-4 if scale == "learned" else torch.tensor(0.7)
            expected = Normal(output, sigma).log_prob(x[s, :, :dim]).sum(-1)
        torch.testing.assert_close(result[..., s], expected)
        torch.testing.assert_close(module(z)[s][..., :dim], output)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("rows", "sizes"), [(1, [1] * 20), (7, [7, 7, 6]), (100, [20])])
def test_without_gradients_pieces_of_the_rows_go_through_all_layers(rows, sizes, shared, monkeypatch):
    module = decoder(decoder="injective")
    monkeypatch.setattr(decoders, "CHUNK", rows * 3 * MAX_DIM + 1)
    z = normal(5, BATCH, 2).expand(3, 5, BATCH, 2) if shared else normal(3, 5, BATCH, 2)
    before, expected, seen = z.clone(), module(z), []
    module.layers[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1]))
    with torch.no_grad():
        found = module(z)
    assert seen == sizes
    assert torch.equal(z, before)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_fixed_scale_has_no_floor_and_is_no_parameter():
    module = decoder(noise_scale=1e-5)
    torch.testing.assert_close(module.scale(), torch.full((3, MAX_DIM), 1e-5))
    assert not any("scale" in name for name, _ in module.named_parameters())
    with torch.no_grad():
        learned = decoder(noise_scale=1.0, decoder_scale="learned", decoder_floor=0.25)
        learned.log_scale.fill_(-1e4)
    assert (learned.scale() == 0.25).all()


@pytest.mark.parametrize("likelihoods", [GAUSSIAN, MIXED], ids=["gaussian", "mixed"])
@pytest.mark.parametrize("aggregator", ["sum_pooling", "private_poe"])
def test_padding_starts_at_zero_and_never_gets_a_gradient(aggregator, likelihoods):
    model = vae(aggregator, likelihoods=likelihoods, decoder="injective", decoder_scale="learned")
    x = data(likelihoods)
    mask = torch.ones(BATCH, 3, dtype=torch.bool)
    q = model.posterior(x, mask)
    z = q.rsample(normal(q.components, BATCH, model.latent_size))
    (model.log_likelihood(x, z).sum() - q.log_prob(z).sum()).backward()
    own = model.config.latent + model.config.private_latent
    layers = [
        (model.encoder.layers[0], DIMS, [8] * 3),
        (model.decoder.layers[0], [own] * 3, DIMS),
        (model.decoder.layers[1], DIMS, DIMS),
    ]
    for layer, sizes_in, sizes_out in layers:
        for s, (size_in, size_out) in enumerate(zip(sizes_in, sizes_out, strict=True)):
            inside = torch.zeros_like(layer.weight[s], dtype=torch.bool)
            inside[:size_in, :size_out] = True
            assert (layer.weight[s][~inside] == 0).all() and (layer.weight.grad[s][~inside] == 0).all()
            assert layer.weight.grad[s][inside].abs().max() > 0
            assert (layer.bias.grad[s, size_out:] == 0).all() and layer.bias.grad[s, :size_out].any()
    read = VALID & torch.tensor([kind == "gaussian" for kind in likelihoods]).unsqueeze(-1)
    assert (model.decoder.log_scale.grad[~read] == 0).all() and (model.decoder.log_scale.grad[read] != 0).all()


@pytest.mark.parametrize("likelihoods", [GAUSSIAN, MIXED], ids=["gaussian", "mixed"])
def test_parameter_count_leaves_padding_out(likelihoods):
    model = vae("poe", likelihoods=likelihoods, decoder="injective", decoder_scale="learned", prior="mixture")
    encoder = sum(d * 8 + 8 for d in DIMS) + 3 * (8 * 4 + 4)
    decoders = sum(2 * d + d + d * d + d for d in DIMS)
    scales = sum(d for d, kind in zip(DIMS, likelihoods, strict=True) if kind == "gaussian")
    assert parameter_count(model) == encoder + decoders + scales + 5 * (1 + 2 + 2)


def test_parameter_count_of_equal_sizes_is_the_number_of_parameters():
    model = build_model(model_config("self_attention"), (4, 4), 4, ("gaussian",) * 2, 1.0, 0)
    assert parameter_count(model) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("prior", ["standard", "mixture"])
def test_private_latents_have_a_standard_normal_prior(prior):
    model = vae("private_poe", prior=prior)
    z = normal(3, BATCH, model.latent_size)
    private = Normal(0.0, 1.0).log_prob(z[..., 2:]).sum(-1)
    torch.testing.assert_close(model.log_prior(z), model.prior.distribution().log_prob(z[..., :2]) + private)


def test_each_modality_is_decoded_from_the_shared_and_its_own_latent():
    model = vae("private_sum_pooling")
    z = normal(3, BATCH, model.latent_size)
    latents = model.modality_latents(z)
    for s in range(3):
        torch.testing.assert_close(
            latents[s], torch.cat([z[..., :2], z[..., 2 + 2 * s : 4 + 2 * s]], -1), rtol=0, atol=0
        )
        changed = z.clone()
        changed[..., 2 + 2 * s : 4 + 2 * s] += 1.0
        moved = (
            model.log_likelihood(observations(BATCH), changed) != model.log_likelihood(observations(BATCH), z)
        ).flatten(0, -2)
        assert moved[:, s].all() and moved.sum(-1).max() == 1


def test_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first, other = (vae("sum_pooling", seed).state_dict() for seed in (3, 4))
    state = torch.get_rng_state()
    torch.manual_seed(2)
    again = vae("sum_pooling", 3).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["encoder.layers.0.weight"], other["encoder.layers.0.weight"])
    torch.set_rng_state(state)
    build_model(model_config("poe"), DIMS, MAX_DIM, GAUSSIAN, 1.0, 0)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's random numbers are left alone


def test_true_sizes_do_not_move_the_draws_of_the_rest():
    """Replicas of one cell differ in their sizes D_s; all have the padded shapes, so that they can be stacked."""
    shapes = [
        {
            name: p.shape
            for name, p in build_model(model_config("poe"), dims, MAX_DIM, GAUSSIAN, 1.0, 0).named_parameters()
        }
        for dims in (DIMS, (6, 2, 1))
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aggregator": "sum_poling"}, "did you mean 'sum_pooling'"),
        ({"aggregator": "poe", "private_latent": 2}, "'poe' does not use private latents"),
        ({"aggregator": "private_poe", "private_latent": 0}, "'private_poe' needs private latents"),
        ({"aggregator": "private_poe", "private_latent": 2, "family": "laplace"}, "Gaussian only"),
        ({"aggregator": "poe", "noise_scale": "data"}, "no known noise scale"),
    ],
)
def test_impossible_models_are_refused_in_one_line(changes, message):
    config = model_config("poe").model_copy(update=changes)
    with pytest.raises(UserError, match=message) as caught:
        build_model(config, DIMS, MAX_DIM, GAUSSIAN, None, 0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("aggregator", registry.names("aggregators"))
def test_double_turns_a_whole_model_to_double_precision(aggregator):
    """Models are trained in single and evaluated in double precision."""
    torch.set_default_dtype(torch.float32)
    model = vae(aggregator, prior="mixture")
    single = model.log_likelihood(observations(BATCH).float(), torch.zeros(BATCH, model.latent_size))
    assert single.dtype == torch.float32
    model.double()
    x, mask = observations(BATCH), torch.ones(BATCH, 3, dtype=torch.bool)
    q = model.posterior(x, mask)
    z = q.sample(5)
    for value in (z, q.mean(), q.log_prob(z), model.log_prior(z), model.log_likelihood(x, z)):
        assert value.dtype == torch.float64
