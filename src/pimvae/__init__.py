"""Multi-modal VAEs with permutation-invariant encoders and tighter bounds: models, exact oracles, report.

The names below come on first use, so that ``import pimvae`` loads neither torch nor pandas.
"""

__all__ = ["Modality", "MultimodalVAE", "UserError", "__version__", "load", "read"]

import importlib
from typing import Any

__version__ = "0.2.0"

_HOMES = {
    "Modality": "pimvae.data.modality",
    "MultimodalVAE": "pimvae.library",
    "UserError": "pimvae.errors",
    "load": "pimvae.library",
    "read": "pimvae.data.readers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pimvae' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
