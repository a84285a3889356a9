"""Products of matrices in less than single precision."""

__all__ = ["products"]

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pimvae.models.layers import Dense, ModalityDense
from pimvae.models.vae import MultimodalVAE

LAYERS = (Dense, ModalityDense, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


@contextmanager
def products(model: MultimodalVAE, precision: str) -> Iterator[None]:
    """Inside, the layers of encoders and decoders multiply in bfloat16 if ``precision`` is ``bf16``.

    Factors are rounded to 8 bits, in backward too; sums are taken in single precision and rounded once. What goes into
    a layer and what comes out is single precision, as are parameters, aggregator, densities, the bound and Adam.
    Anything else is a matter of the device (`pimvae.training.device.set_precision`), and nothing happens here.
    """
    layers = [layer for part in (model.encoder, model.decoder) for layer in part.modules() if isinstance(layer, LAYERS)]
    lowered = layers if precision == "bf16" else []
    for layer in lowered:
        layer.forward = _in_bfloat16(layer, layer.forward)
    try:
        yield
    finally:
        for layer in lowered:
            del layer.forward


def _in_bfloat16(layer: nn.Module, forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def lowered(x: Tensor) -> Tensor:
        # Nothing is cached: stacked parameters are other tensors at every call.
        with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
            return forward(x).to(x.dtype)

    return lowered
