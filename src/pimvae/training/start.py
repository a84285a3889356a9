"""Where a training starts: the initial weights, moved so that they suit the offsets and scales of the data."""

__all__ = ["entry_moments", "start_from_data"]

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.models.decoders import VectorDecoder
from pimvae.models.encoders import VectorEncoder
from pimvae.models.vae import MultimodalVAE
from pimvae.training.packing import PackedSplit


def entry_moments(data: PackedSplit) -> tuple[Float[Tensor, "modality dim"], Float[Tensor, "modality dim"]]:
    """Mean and standard deviation of every entry over the samples where its modality is observed.

    An entry that never varies (a constant column, padding, a modality that is never observed) has scale 1.
    """
    x = data.x.double()
    seen = data.mask.T.unsqueeze(-1).to(x.dtype)  # [M, n, 1]
    count = seen.sum(1).clamp(min=1)
    mean = (seen * x).sum(1) / count
    spread = ((seen * (x - mean.unsqueeze(1)).square()).sum(1) / count).sqrt()
    # A column that is constant in exact arithmetic can keep a rounding error of its mean.
    constant = spread <= 1e-6 * mean.abs()
    return mean, torch.where(constant, torch.ones_like(spread), spread)


@torch.no_grad()
def start_from_data(model: MultimodalVAE, data: PackedSplit, kind: str) -> None:
    r"""Make the fresh ``model`` on raw data equal the same model on standardised (or centred) data, in place.

    With mean μ and standard deviation σ of the training entries of a Gaussian modality, the first layer of its encoder
    becomes w ← w/σ, b ← b − μᵀw (the new w), and the last one of its decoder w ← w σ, b ← b σ + μ. The class of models
    does not change, and raw data go in and out: only the start does. The scale of the decoder's noise stays.
    Categorical modalities and networks of images keep theirs.

    Args:
        model: as initialised.
        data: the training split; nothing held out is looked at.
        kind: ``framework`` (nothing happens), ``centred`` (σ = 1) or ``standardised``.
    """
    encoder, decoder = model.encoder, model.decoder
    if kind == "framework" or not isinstance(encoder, VectorEncoder) or not isinstance(decoder, VectorDecoder):
        return
    mean, scale = entry_moments(data)
    if kind == "centred":
        scale = torch.ones_like(scale)
    gaussian = ~torch.tensor(decoder.categorical).unsqueeze(-1)
    mean, scale = torch.where(gaussian, mean, 0.0), torch.where(gaussian, scale, 1.0)
    first, last = encoder.layers[0], decoder.layers[-1]
    weight = first.weight / scale.unsqueeze(-1)
    first.bias.copy_(first.bias - torch.einsum("mi,mio->mo", mean, weight.double()))
    first.weight.copy_(weight)
    last.weight.mul_(scale.unsqueeze(1))
    last.bias.copy_(last.bias * scale + mean)
