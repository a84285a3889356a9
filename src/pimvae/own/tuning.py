"""A short search over settings for own data, decided by validation samples."""

__all__ = ["CANDIDATES", "tuned"]

import math
from typing import Any

from pimvae.data.readers import Collection
from pimvae.errors import UserError
from pimvae.library import MultimodalVAE
from pimvae.library.settings import FEWEST
from pimvae.training.divergence import Diverged

# Sizes of the latent relative to the default, and the two decoders.
CANDIDATES: tuple[dict[str, Any], ...] = (
    {},
    {"latent": 0.5},
    {"latent": 1.5},
    {"decoder": "injective"},
    {"decoder": "injective", "latent": 0.5},
)


def tuned(model: MultimodalVAE, data: Collection, device: str = "auto") -> tuple[MultimodalVAE, list[str]]:
    """The untrained model with the settings that are best after a third of the steps with one seed, and what was found.

    Candidates are compared by the log-likelihood of the validation samples (the bound, where a modality is an image),
    which are the same for all of them. Held-out samples are not looked at.

    Raises:
        UserError: if there are too few samples to keep some for validation.
    """
    if len(data) < FEWEST:
        fault = f"--tune compares settings by validation samples, of {len(data)} samples none are kept for that"
        raise UserError(f"{data.source}: {fault}: leave --tune out, or have at least {FEWEST}")
    cell, best, told = model.cell, None, []
    steps = max(1, cell.train.steps // 3)
    for candidate in CANDIDATES:
        latent = max(1, round(cell.model.latent * candidate.get("latent", 1)))
        changes = {"latent": latent, "decoder": candidate.get("decoder", cell.model.decoder)}
        trial = MultimodalVAE(cell.model_copy(update={"model": cell.model.model_copy(update=changes)}),
                              model.modalities, [])  # fmt: skip
        score = _score(trial, data, steps, device)
        told.append(f"tried decoder {changes['decoder']}, latent {latent}: {score:.5g} nats on validation samples")
        if best is None or score > best[0]:
            best = (score, trial.cell.model)
    chosen = MultimodalVAE(cell.model_copy(update={"model": best[1]}), model.modalities)
    return chosen, [*told, f"chosen: decoder {best[1].decoder}, latent {best[1].latent}"]


def _score(trial: MultimodalVAE, data: Collection, steps: int, device: str) -> float:
    """Log-likelihood of the validation samples after some steps with one seed; −∞ if it diverged."""
    try:
        trial.fit(data, steps=steps, seeds=1, progress=False, device=device)
    except Diverged:
        return -math.inf
    likelihoods = [after for _, after in trial.training["log_likelihood"]]
    return (likelihoods or trial.training["bound"])[0]
