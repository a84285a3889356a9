"""Evaluation that the identifiable experiments share: likelihood, recovery of the true latents, rates."""

__all__ = ["IdentifiableEvaluation", "posterior_latents"]

import torch
from jaxtyping import Float
from torch import Tensor

from pimvae.evaluation.evaluation import Evaluation
from pimvae.evaluation.identifiability import mcc
from pimvae.models.vae import MultimodalVAE
from pimvae.training.packing import PackedSplit


class IdentifiableEvaluation(Evaluation):
    """Data whose true latents are known."""

    @torch.no_grad()
    def measure_split(self, name: str) -> PackedSplit:
        """Metrics of one split (``train`` or ``test``) that every identifiable experiment reports; its samples."""
        packed = self.packed(name)
        self.likelihoods(packed.spread(self.sizes.llh_samples), name)
        if self.rows.scope != "distance":
            self._recovery(packed, name)
        if self.rows.scope == "all":
            self.rates(packed.spread(self.sizes.samples), name)
        return packed

    def _recovery(self, packed: PackedSplit, name: str) -> None:
        """Mean correlation coefficients between true latents and those inferred from all that is observed."""
        truth = self.split(name).truth["latents"]
        found = posterior_latents(self.model, packed.x, packed.mask, self.generator)
        for kind, inferred in zip(("mean", "sample"), found, strict=True):
            for strength in ("strong", "weak"):
                score = mcc(truth, inferred.numpy(), rotation=strength == "weak")
                self.rows.add(f"mcc_{strength}_{kind}", score.out_of_sample, split=name)
                self.rows.add(f"mcc_{strength}_{kind}_in", score.in_sample, split=name)


def posterior_latents(
    model: MultimodalVAE, x: Tensor, mask: Tensor, generator: torch.Generator
) -> tuple[Float[Tensor, "sample latent"], Float[Tensor, "sample latent"]]:
    """Posterior means and one posterior sample each, of the latent that modalities share."""
    posterior, size = model.posterior(x, mask), model.config.latent
    return posterior.mean()[:, :size], posterior.sample(1, generator)[0, :, :size]
