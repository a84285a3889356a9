"""Networks and likelihoods of images and text, against hand computations and torch's distributions."""

import numpy as np
import pytest
import torch
from builders import double_precision, model_config, normal, randomised
from torch.distributions import Categorical, Laplace
from torch.func import functional_call, stack_module_state, vmap

from pimvae import registry
from pimvae.config import load
from pimvae.data._text import ALPHABET, BLANK, WORDS, decode, templates
from pimvae.errors import UserError
from pimvae.models.layers import parameter_count
from pimvae.models.likelihoods.laplace import LaplacePixels
from pimvae.models.likelihoods.text import POSITIONS, SYMBOLS, CategoricalText
from pimvae.models.vae import MultimodalVAE, build_model
from pimvae.objectives._base import Draws

float64 = pytest.fixture(double_precision, autouse=True)
BATCH = 3
KINDS = ("laplace", "laplace", "text")
SIZES = {"image_mlp": (16, 12, 568), "image_conv": (16, 3 * 32 * 32, 568)}
NETWORKS = list(SIZES)


def model(networks: str = "image_mlp", aggregator: str = "sum_pooling", seed: int = 0, **changes) -> MultimodalVAE:
    config = model_config(aggregator, networks=networks, **changes)
    dims = SIZES[networks]
    return randomised(build_model(config, dims, max(dims), KINDS, 0.75, seed), seed)


def triples(networks: str = "image_mlp", batch: int = BATCH) -> torch.Tensor:
    """Pixels in [0, 1] and words, padded with zeros."""
    dims = SIZES[networks]
    x = torch.zeros(3, batch, max(dims))
    for s in (0, 1):
        x[s, :, : dims[s]] = torch.rand(batch, dims[s], generator=torch.Generator().manual_seed(s))
    x[2, :, :568] = torch.from_numpy(templates().rows[:batch]).double()
    return x


def test_text_log_probability_by_hand():
    """Two symbols per position at stake: log softmax of the logits, summed over the eight positions."""
    logits = torch.full((1, POSITIONS, SYMBOLS), -torch.inf)
    logits[..., 0], logits[..., BLANK] = 1.0, 3.0  # P(a) = 1/(1 + e²) at every position
    symbols = torch.full((POSITIONS,), BLANK)
    symbols[:3] = 0
    x = torch.eye(SYMBOLS)[symbols].reshape(1, -1)
    a = -np.log1p(np.exp(2.0))
    logits = logits.clamp(min=-1e9)
    found = CategoricalText().log_prob(x, logits.flatten(1))
    assert found.item() == pytest.approx(3 * a + 5 * (2 + a), abs=1e-12)


def test_text_is_one_categorical_per_position_and_takes_logits():
    logits, symbols = 3 * normal(5, BATCH, POSITIONS, SYMBOLS), torch.randint(SYMBOLS, (BATCH, POSITIONS))
    x = torch.eye(SYMBOLS)[symbols].flatten(1)
    expected = Categorical(logits=logits).log_prob(symbols).sum(-1)
    torch.testing.assert_close(CategoricalText().log_prob(x, logits.flatten(-2)), expected)
    probabilities = CategoricalText().mean(logits.flatten(-2)).unflatten(-1, (POSITIONS, SYMBOLS))
    torch.testing.assert_close(probabilities, Categorical(logits=logits).probs)


@pytest.mark.parametrize("word", WORDS)
def test_greedy_text_of_a_perfect_decoder_spells_the_word(word):
    symbols = torch.tensor([ALPHABET.index(letter) for letter in f" {word}".ljust(POSITIONS)])
    logits = 50 * torch.eye(SYMBOLS)[symbols].reshape(1, -1) + normal(1, POSITIONS * SYMBOLS)
    greedy = CategoricalText().mean(logits).unflatten(-1, (POSITIONS, SYMBOLS)).argmax(-1)
    assert decode(greedy.numpy()) == [f" {word}".ljust(POSITIONS)]


def test_pixels_are_laplace_around_the_sigmoid():
    output, x = normal(4, BATCH, 7), torch.rand(BATCH, 7)
    expected = Laplace(output.sigmoid(), 0.75).log_prob(x).sum(-1)
    torch.testing.assert_close(LaplacePixels(0.75).log_prob(x, output), expected)


@pytest.mark.parametrize("networks", NETWORKS)
def test_likelihoods_of_all_modalities_are_those_of_each_alone(networks):
    vae, x = model(networks), triples(networks)
    z = normal(2, BATCH, vae.latent_size)
    found = vae.log_likelihood(x, z)
    assert found.shape == (2, BATCH, 3) and found.isfinite().all()
    for s in range(3):
        torch.testing.assert_close(vae.decoder.log_likelihood_of(s, x[s], z), found[..., s])
    padded = x.clone()
    padded[0, :, SIZES[networks][0] :] = 9.0
    assert torch.equal(vae.log_likelihood(padded, z), found)  # padding is not read, whatever it holds
    means = vae.decoder(vae.modality_latents(z))
    assert [mean.shape[-1] for mean in means] == list(SIZES[networks])
    torch.testing.assert_close(means[2].unflatten(-1, (8, 71)).sum(-1), torch.ones(2, BATCH, 8))
    assert all(mean.min() >= 0 and mean.max() <= 1 for mean in means)


def test_the_networks_at_full_resolution_are_those_of_the_publication():
    vae = model("image_conv", encoder_widths=(400, 400))
    shapes = [tuple(layer.weight.shape) for layer in vae.encoder.networks[1].layers]
    assert shapes == [(32, 3, 4, 4), (64, 32, 4, 4), (64, 64, 4, 4), (128, 64, 4, 4)]
    shapes = [tuple(layer.weight.shape) for layer in vae.encoder.networks[2].layers]
    assert shapes == [(128, 71, 1), (128, 128, 4), (128, 128, 4)]
    shapes = [tuple(layer.weight.shape) for layer in vae.encoder.networks[0].layers]
    assert shapes == [(16, 400), (400, 400), (400, 4)]
    mirrored = [tuple(layer.weight.shape[:2]) for layer in vae.decoder.networks[1].layers]
    assert mirrored == [(128, 64), (64, 64), (64, 32), (32, 3)]


@pytest.mark.parametrize("networks", NETWORKS)
def test_padding_and_missing_modalities_change_nothing(networks):
    """Bitwise: values beyond D_s, and of a modality that is not in S."""
    vae, x = model(networks), triples(networks)
    mask = torch.tensor([[1, 0, 1], [0, 1, 1], [1, 1, 0]]).bool()
    before = vae.posterior(x, mask)
    changed = torch.where(mask.T.unsqueeze(-1), x, 7.0)
    changed[0, :, SIZES[networks][0] :] = 5.0
    after = vae.posterior(changed, mask)
    assert torch.equal(before.mean(), after.mean()) and torch.equal(before.scale, after.scale)


@pytest.mark.parametrize("aggregator", ["poe", "mopoe", "private_self_attention"])
@pytest.mark.parametrize("networks", NETWORKS)
def test_a_stack_of_models_is_one_at_a_time(networks, aggregator):
    """The masked bound of three models under vmap, weighted likelihoods included."""
    models = [model(networks, aggregator, seed, likelihood_weights="balanced") for seed in range(3)]
    x, everything = triples(networks), torch.ones(BATCH, 3, dtype=torch.bool)
    subset = torch.tensor([[[1, 0, 0], [0, 1, 1], [0, 0, 0]]]).bool()
    components = models[0].posterior(x, everything).components
    noise = normal(components, 1, 2, BATCH, models[0].latent_size)
    masked = registry.lookup("objectives", "masked")

    class Bound(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = models[0]

        def forward(self):
            return masked(self.inner, x, everything, subset, Draws(noise[:, :, :-1], noise[:, :, -1:])).value

    parameters, buffers = stack_module_state(models)
    state = {f"inner.{name}": value for name, value in (parameters | buffers).items()}
    stacked = vmap(lambda state: functional_call(Bound(), state, ()))(state)
    for row, each in zip(stacked, models, strict=True):
        alone = masked(each, x, everything, subset, Draws(noise[:, :, :-1], noise[:, :, -1:])).value
        torch.testing.assert_close(row, alone)


def test_weights_are_the_largest_count_over_the_own():
    """784, 3072 pixels and 8 positions as in the publication; log p(x|z) itself stays unweighted."""
    dims = (784, 3072, 568)
    config = model_config("poe", networks="image_mlp", likelihood_weights="balanced")
    vae = build_model(config, dims, 3072, KINDS, 0.75, 0)
    torch.testing.assert_close(vae.likelihood_weights, torch.tensor([3072 / 784, 1.0, 3072 / 8]))
    vae = model(likelihood_weights="balanced")
    x, z = triples(), normal(BATCH, vae.latent_size)
    weighted = vae.weighted_likelihood(x, vae.modality_latents(z))
    torch.testing.assert_close(weighted, vae.log_likelihood(x, z) * torch.tensor([1.0, 16 / 12, 16 / 8]))
    plain = model(likelihood_weights="equal")
    assert torch.equal(plain.weighted_likelihood(x, plain.modality_latents(z)), plain.log_likelihood(x, z))


@pytest.mark.parametrize("aggregator", ["private_poe", "private_sum_pooling", "private_self_attention"])
def test_what_is_not_given_is_generated_with_private_latents_of_the_prior(aggregator):
    """Draws of z̃_s for s ∉ S are standard normal and change modality s alone; those of s ∈ S are not."""
    vae, x = model("image_mlp", aggregator, encoder_floor=1e-3), triples()
    given = torch.tensor([True, False, True]).expand(BATCH, -1)
    draws = vae.posterior(x, given).sample(20_000, torch.Generator().manual_seed(0))
    private = draws[..., 2:].unflatten(-1, (3, 2))
    error = 5 / 20_000**0.5
    assert private[..., 1, :].mean(0).abs().max() < error
    assert (private[..., 1, :].std(0) - 1).abs().max() < error
    assert (private[..., 0, :].std(0) - 1).abs().max() > error
    z = draws[0].clone()
    z[..., 4:6] = 3.0
    for s, (before, after) in enumerate(
        zip(*(vae.decoder(vae.modality_latents(v)) for v in (draws[0], z)), strict=True)
    ):
        assert torch.equal(before, after) == (s != 1)


@pytest.mark.parametrize("networks", NETWORKS)
@pytest.mark.parametrize("plus", ["poe_plus", "moe_plus"])
def test_wider_encoders_match_sum_pooling_in_parameters(networks, plus):
    changes = {"encoder_widths": (24,), "features": 24, "pooling_width": 24} if networks == "image_mlp" else {
        "encoder_widths": (40, 40), "features": 64, "pooling_width": 128}  # fmt: skip
    wide, pooled, plain = (parameter_count(model(networks, name, **changes))
                           for name in (plus, "sum_pooling", plus.removesuffix("_plus")))  # fmt: skip
    assert wide == pytest.approx(pooled, rel=0.05) and plain < 0.95 * pooled


@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_matched_schemes_of_the_experiment_are_within_five_per_cent(root, scale):
    cells = {cell.name: cell for cell in load(scale, root, ["images"]).cells}
    dims = (196, 768, 568) if scale == "laptop" else (784, 3072, 568)
    counts = {}
    for name in ("poe_plus", "moe_plus", "sum_pooling"):
        with torch.device("meta"):
            vae = MultimodalVAE(cells[f"triples-{name}-masked"].model, dims, max(dims), KINDS, 0.75)
        counts[name] = parameter_count(vae)
    assert counts["poe_plus"] == counts["moe_plus"] == pytest.approx(counts["sum_pooling"], rel=0.05)


def test_other_likelihoods_are_refused():
    with pytest.raises(UserError, match="gaussian"):
        build_model(model_config("poe", networks="image_mlp"), (16, 12), 16, ("gaussian", "laplace"), 0.75, 0)
