"""Decoders p(x_s | z_s) of vector modalities: linear or injective MLP, Gaussian or categorical likelihood."""

__all__ = ["VectorDecoder"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from pimvae.config.schema import ModelConfig
from pimvae.models.layers import ModalityDense
from pimvae.models.networks._base import Modalities

CHUNK = 2**18  # numbers of the widest layer that are held at once where no gradient needs them: what fits the cache


class VectorDecoder(nn.Module):
    r"""x_s | z_s ~ N(d_s(z_s), diag σ_s²) or Categorical(softmax d_s(z_s)), sizes D_s padded to a common one.

    d_s is affine (``linear``) or Dense(D_s), leaky ReLU 0.1, Dense(D_s) (``injective``: the slope is invertible, so d_s
    is injective for full-rank weights). σ_s is a known constant or a learned vector, σ = floor + exp(·).

    Args:
        config: the model's configuration.
        modalities: true and padded sizes, likelihoods (``gaussian`` or ``categorical``), σ if fixed, its start if
            learned.
    """

    def __init__(self, config: ModelConfig, modalities: Modalities) -> None:
        super().__init__()
        dims, max_dim = modalities.dims, modalities.max_dim
        latent = [config.latent + config.private_latent] * len(dims)
        self.layers = nn.ModuleList([ModalityDense(latent, dims, padded_out=max_dim)])
        if config.decoder == "injective":
            self.layers.append(ModalityDense(dims, dims, padded_in=max_dim, padded_out=max_dim))
        self.categorical = [kind == "categorical" for kind in modalities.likelihoods]
        valid = torch.arange(max_dim) < torch.tensor(list(dims)).unsqueeze(-1)
        self.register_buffer("valid", valid.float(), persistent=False)
        self.floor = config.decoder_floor
        log_scale = torch.full((len(dims), max_dim), math.log(modalities.noise_scale))
        self.learned_scale = config.decoder_scale == "learned"
        if self.learned_scale:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale, persistent=False)

    def padding(self) -> int:
        """Trainable log-scales that no likelihood reads: those of padding and of categorical modalities."""
        read = sum(int(row.sum()) for row, kind in zip(self.valid, self.categorical, strict=True) if not kind)
        return self.log_scale.numel() - read if self.learned_scale else 0

    def units(self) -> list[int]:
        """What an observation of every modality counts for in weighted bounds: its dimensions."""
        return [int(count) for count in self.valid.sum(-1)]

    def scale(self) -> Float[Tensor, "modality dim"]:
        """σ_s; a fixed scale is taken as it is, without the floor."""
        return self.log_scale.exp() + (self.floor if self.learned_scale else 0.0)

    def forward(self, z: Float[Tensor, "modality *batch latent"]) -> Float[Tensor, "modality *batch dim"]:
        """Means of Gaussian and logits of categorical modalities from the latent of each modality."""
        rows = z.flatten(1, -2)
        at_once = self._rows_at_once(rows)
        if rows.shape[1] <= at_once:
            output = self._through_layers(rows)
        else:
            output = torch.cat([self._through_layers(chunk) for chunk in rows.split(at_once, 1)], 1)
        return output.unflatten(1, z.shape[1:-1])

    def _through_layers(self, rows: Tensor) -> Tensor:
        """[M, rows, latent] -> [M, rows, dim]."""
        hidden = self.layers[0](rows)
        for layer in self.layers[1:]:
            hidden = layer(functional.leaky_relu(hidden, 0.1, inplace=not torch.is_grad_enabled()))
        return hidden

    def _rows_at_once(self, rows: Tensor) -> int:
        """All, if gradients need what is between the layers; else what stays in the cache from one to the next."""
        if torch.is_grad_enabled() or rows.device.type != "cpu":
            return rows.shape[1]
        return max(1, CHUNK // max(layer.bias.numel() for layer in self.layers))

    def log_likelihood(
        self, x: Float[Tensor, "modality batch dim"], z: Float[Tensor, "modality *sample _ latent"]
    ) -> Float[Tensor, "*sample batch modality"]:
        """log p(x_s | z_s) of every modality; x is broadcast over the leading sample axes of z."""
        output = self(z)
        x = x.reshape(x.shape[0], *([1] * (output.dim() - x.dim())), *x.shape[1:])
        if not any(self.categorical):
            return self._gaussian(x, output, slice(None)).movedim(0, -1)
        parts = [
            self._categorical(x[s], output[s], s) if kind else self._gaussian(x[s], output[s], s)
            for s, kind in enumerate(self.categorical)
        ]
        return torch.stack(parts, dim=-1)

    def _gaussian(self, x: Tensor, mean: Tensor, s: int | slice) -> Tensor:
        """Σ_d log N(x_d; mean_d, σ_d²) over the true dimensions."""
        valid, scale = self.valid[s], self.scale()[s]
        shape = (*valid.shape[:-1], *([1] * (mean.dim() - valid.dim())), valid.shape[-1])
        weight = (valid / scale).reshape(shape)
        constant = (valid * (scale.log() + 0.5 * math.log(2 * math.pi))).sum(-1)
        return -0.5 * ((x - mean) * weight).square().sum(-1) - constant.reshape(shape[:-1])

    def _categorical(self, x: Tensor, logits: Tensor, s: int) -> Tensor:
        """Σ_d x_d log softmax(logits)_d, x one-hot, padding excluded from the softmax."""
        logits = logits.masked_fill(self.valid[s] < 0.5, -1e30)
        return (x * logits.log_softmax(-1)).sum(-1)
