"""Models and bounds as one writes them down first: a network per modality, a pass per subset, torch's own classes.

What the stacked trainer is measured against, beside a loop over its own modules. No code is shared with those, and the
values are the same (a test holds them together): also a second implementation of what is published.
"""

__all__ = ["TextbookVAE", "bound", "textbook_loops"]

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MixtureSameFamily, Normal
from torch.nn import functional

from benchmarks.trainings import PlainLoop, models_and_data
from pimvae.aggregators._base import MixtureHead, PooledAggregator
from pimvae.config.schema import Cell
from pimvae.models.layers import MLP, Dense, ModalityDense
from pimvae.models.vae import MultimodalVAE
from pimvae.training.packing import PackedSplit


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A layer with these weights [in, out]."""
    layer = nn.Linear(*weight.shape, bias=bias is not None)
    layer.weight = nn.Parameter(weight.detach().t().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _dense(layer: Dense) -> nn.Linear:
    return _linear(layer.weight, layer.bias)


def _between(layers: Sequence[nn.Module], activation: nn.Module) -> nn.Sequential:
    """The layers with an activation between them."""
    parts = [part for layer in layers for part in (layer, activation)]
    return nn.Sequential(*parts[:-1])


def _mlp(mlp: MLP) -> nn.Sequential:
    return _between([_dense(layer) for layer in mlp.layers], nn.LeakyReLU(0.01))


def _per_modality(layers: Sequence[ModalityDense], activation: nn.Module) -> nn.ModuleList:
    """One network for every modality, without padding."""
    networks = []
    for s in range(len(layers[0].sizes)):
        sizes = [layer.sizes[s] for layer in layers]
        own = [_linear(layer.weight[s, :i, :o], layer.bias[s, :o]) for layer, (i, o) in zip(layers, sizes, strict=True)]
        networks.append(_between(own, activation))
    return nn.ModuleList(networks)


class _Block(nn.Module):
    """A pre-LayerNorm transformer block on [batch, M, width]."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.heads = block.heads
        self.norm_attention, self.norm_forward = _norm(block.norm_attention), _norm(block.norm_forward)
        self.query_key_value, self.output = _dense(block.query_key_value), _dense(block.output)
        self.inner, self.outer = _dense(block.inner), _dense(block.outer)

    def forward(self, g: Tensor, mask: Tensor) -> Tensor:
        heads = [
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.query_key_value(self.norm_attention(g)).chunk(3, -1)
        ]
        keys = mask | ~mask.any(-1, keepdim=True)  # without a key there would be NaN
        joined = functional.scaled_dot_product_attention(*heads, attn_mask=keys[:, None, None])
        g = g + self.output(joined.transpose(1, 2).flatten(-2))
        return g + self.outer(torch.relu(self.inner(self.norm_forward(g))))


def _norm(norm: nn.LayerNorm) -> nn.LayerNorm:
    copy = nn.LayerNorm(norm.normalized_shape, eps=norm.eps)
    copy.load_state_dict(norm.state_dict())
    return copy


class TextbookVAE(nn.Module):
    """The model with the weights of ``model``: PoE, sum pooling or self-attention, one component or a mixture."""

    def __init__(self, model: MultimodalVAE) -> None:
        super().__init__()
        self.config, aggregator, decoder = model.config, model.aggregator, model.decoder
        self.dims = [out for _, out in decoder.layers[-1].sizes]
        self.encoders = _per_modality(model.encoder.layers, nn.ReLU())
        self.decoders = _per_modality(decoder.layers, nn.LeakyReLU(0.1))
        pairs = zip(decoder.log_scale, self.dims, strict=True)
        self.log_scales = nn.ParameterList(row[:size].detach().clone() for row, size in pairs)
        self.log_scales.requires_grad_(decoder.learned_scale)
        self.decoder_floor = decoder.floor if decoder.learned_scale else 0.0
        pooled, transformer = isinstance(aggregator, PooledAggregator), getattr(aggregator, "transformer", None)
        self.chi, self.rho = (_mlp(aggregator.chi), _mlp(aggregator.rho)) if pooled else (None, None)
        self.blocks = nn.ModuleList(_Block(block) for block in transformer.blocks) if transformer else None
        self.norm = _norm(transformer.norm) if transformer else None
        self.mixture = isinstance(aggregator, MixtureHead)
        self.prior_parameters = nn.ParameterList(parameter.detach().clone() for parameter in model.prior.parameters())

    def posterior(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits [batch, K], locations and scales [batch, K, latent] of q(z|x_S), S in ``mask`` [batch, M]."""
        pairs = zip(self.encoders, x, self.dims, strict=True)
        h = torch.stack([encoder(values[:, :size]) for encoder, values, size in pairs], 1)
        return self._product(h, mask) if self.chi is None else self._pooled(self.chi(h), mask)

    def _product(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """N(0, I) ∏_{s∈S} N(μ_s, σ_s²)."""
        loc, scale = self._experts(h)
        precision = mask.unsqueeze(-1) * scale**-2
        total = 1 + precision.sum(1)
        loc, scale = (precision * loc).sum(1) / total, total**-0.5
        return torch.zeros_like(loc[:, :1]), loc.unsqueeze(1), scale.unsqueeze(1)

    def _pooled(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ρ of the sum over S, for self-attention of transformed tokens."""
        for block in self.blocks or []:
            tokens = block(tokens, mask)
        output = self.rho((mask.unsqueeze(-1) * (tokens if self.norm is None else self.norm(tokens))).sum(1))
        if not self.mixture:
            return torch.zeros_like(output[:, :1]), *self._experts(output.unsqueeze(1))
        logits, rest = output.tensor_split([self.config.components], 1)
        return logits, *self._experts(rest.unflatten(1, (self.config.components, -1)))

    def _experts(self, output: Tensor) -> tuple[Tensor, Tensor]:
        loc, log_scale = output.chunk(2, -1)
        return loc, self.config.encoder_floor + log_scale.exp()

    def log_likelihood(self, x: Tensor, z: Tensor, s: int) -> Tensor:
        """log p(x_s|z) [K, batch] for z [K, batch, latent]."""
        scale = self.decoder_floor + self.log_scales[s].exp()
        return _normal(self.decoders[s](z), scale).log_prob(x[s, :, : self.dims[s]])

    def prior(self) -> Distribution:
        """p(z)."""
        if self.config.prior == "standard":
            return _normal(*self.log_scales[0].new_tensor([0.0, 1.0]).expand(self.config.latent, 2).unbind(-1))
        logits, loc, log_scale = self.prior_parameters
        return _mixture(logits, loc, log_scale.exp())


def _normal(loc: Tensor, scale: Tensor) -> Distribution:
    return Independent(Normal(loc, scale, validate_args=False), 1, validate_args=False)


def _mixture(logits: Tensor, loc: Tensor, scale: Tensor) -> Distribution:
    """With one component the Gaussian itself."""
    if logits.shape[-1] == 1:
        return _normal(loc.squeeze(-2), scale.squeeze(-2))
    weights = Categorical(logits=logits, validate_args=False)
    return MixtureSameFamily(weights, _normal(loc, scale), validate_args=False)


def bound(model: TextbookVAE, name: str, x: Tensor, observed: Tensor, subset: Tensor, noise: Tensor) -> Tensor:
    """The masked or the mixture bound of every sample, [batch]; noise [K, 2, batch, latent] of z_S and z_O."""
    modalities = range(len(model.dims))
    q_subset = model.posterior(x, subset)
    z_subset = _draws(q_subset, noise[:, 0])
    own = _mixture(*(part.detach() for part in q_subset)).log_prob(z_subset)  # sticking the landing
    fitted = subset if name == "masked" else observed
    f = sum(fitted[:, s] * model.log_likelihood(x, z_subset, s) for s in modalities)
    value = _expectation(q_subset, f + model.prior().log_prob(z_subset) - own)
    if name == "mixture":
        return value
    q_full, rest = model.posterior(x, observed), observed & ~subset
    z_full = _draws(q_full, noise[:, 1])
    own = _mixture(*(part.detach() for part in q_full)).log_prob(z_full)
    log_ratio = _mixture(*q_subset).log_prob(z_full) - own
    g = sum(rest[:, s] * model.log_likelihood(x, z_full, s) for s in modalities) + rest.any(-1) * log_ratio
    return value + _expectation(q_full, g)


def _draws(q: tuple[Tensor, Tensor, Tensor], noise: Tensor) -> Tensor:
    """One draw of every component, [K, batch, latent]."""
    _, loc, scale = q
    return loc.movedim(1, 0) + scale.movedim(1, 0) * noise


def _expectation(q: tuple[Tensor, Tensor, Tensor], values: Tensor) -> Tensor:
    """Σ_k π_k values_k."""
    return (q[0].softmax(-1).t() * values).sum(0)


class _TextbookLoop(PlainLoop):
    """The training of one seed by such a model."""

    def __init__(self, cell: Cell, model: MultimodalVAE, data: PackedSplit, seed: int, device: str) -> None:
        super().__init__(cell, model, data, seed, device)
        self.model = TextbookVAE(model).to(device)
        self.adam = torch.optim.Adam(self.model.parameters(), lr=cell.train.learning_rate)

    def _value(self) -> Tensor:
        return bound(self.model, self.cell.objective.name, *self._inputs()).mean()


def textbook_loops(cell: Cell, device: str) -> list[PlainLoop]:
    """One loop per seed."""
    models, data = models_and_data(cell)
    pairs = zip(cell.seeds, models, data, strict=True)
    return [_TextbookLoop(cell, model, split, seed, device) for seed, model, split in pairs]
