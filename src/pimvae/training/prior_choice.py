"""A learned prior for own data, where validation samples prefer one: groups of samples need more than one Gaussian."""

__all__ = ["COMPONENTS", "preferred", "take_prior", "with_mixture"]

import copy
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from pimvae.models.mode import at_mode
from pimvae.models.priors import build_prior
from pimvae.models.vae import MultimodalVAE, seeded
from pimvae.training.packing import PackedSplit

COMPONENTS = 3  # few: small data decide between this and one Gaussian
SMALLEST, STARTS, ROWS = 0.05, 3, 1024  # added to variances, starts of the fit, samples that it sees


def with_mixture(model: MultimodalVAE, data: PackedSplit | None, seed: int) -> MultimodalVAE:
    r"""A copy whose prior is Σ_c π_c N(μ_c, diag σ_c²), fitted to one draw of p(z | x_i) per sample.

    The draws are of the posteriors under the model's own prior, at their modes; their mixture over the samples is what
    a prior has to be for its own best bound (Tomczak & Welling, 2018, https://arxiv.org/abs/1705.07120).

    Args:
        model: with the standard prior, without private latents.
        data: training samples; None, where the model has no usable weights: the components then start as they come, as
            they do with fewer samples than components.
        seed: of the draws and of the fit.
    """
    from sklearn.mixture import GaussianMixture

    found = copy.deepcopy(model)
    found.config = model.config.model_copy(update={"prior": "mixture", "prior_components": COMPONENTS})
    with seeded(seed):
        found.prior = build_prior(found.config).to(next(model.parameters()).dtype)
    if data is None:
        return found
    part, work = data.spread(ROWS), copy.deepcopy(model).double()
    x, mask = part.x.double(), part.mask
    with torch.no_grad():
        posterior = at_mode(work, x, mask, work.posterior(x, mask).mean())
        noise = torch.randn(*posterior.mean.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        drawn = posterior.sample(noise).numpy()
        if len(drawn) < COMPONENTS or not np.isfinite(drawn).all():
            return found
        fit = GaussianMixture(COMPONENTS, covariance_type="diag", init_params="k-means++", n_init=STARTS,
                              reg_covar=SMALLEST, random_state=seed % 2**31)  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged: it is where a fit starts
            fit.fit(drawn)
        found.prior.logits.copy_(torch.from_numpy(fit.weights_).log())
        found.prior.loc.copy_(torch.from_numpy(fit.means_))
        found.prior.log_scale.copy_(torch.from_numpy(fit.covariances_).log() / 2)
    return found


def preferred(plain: Sequence[float], mixture: Sequence[float]) -> bool:
    """Whether validation samples of every replica are likelier under the mixture; replicas with NaN do not count."""
    pairs = [(a, b) for a, b in zip(plain, mixture, strict=True) if a == a and b == b]
    return bool(pairs) and all(b > a for a, b in pairs)


def take_prior(model: MultimodalVAE, other: MultimodalVAE) -> None:
    """Give the model the other's prior and all its weights, in place."""
    model.prior, model.config = other.prior, other.config
    model.load_state_dict(other.state_dict())
