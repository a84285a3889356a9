"""Multi-modal VAEs of own data in a few calls: `MultimodalVAE` and `load`."""

__all__ = ["MultimodalVAE", "load"]

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch comes: models are small, more threads only wait

import numpy  # noqa: F401 - before torch, whose C code imports it and loses a signal that comes then

from pimvae.library.files import load
from pimvae.library.model import MultimodalVAE
