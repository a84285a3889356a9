"""Features far beyond anything sensible still give a finite posterior, so that one sample cannot stop a training."""

import pytest
import torch
from builders import aggregator, generator

from pimvae import registry

NAMES = [name for name in registry.names("aggregators") if not registry.lookup("aggregators", name).private]


@pytest.mark.parametrize("name", NAMES)
def test_scales_do_not_overflow(name):
    """float32, as in training. exp(200) is infinite, and 0 · ∞ would be NaN for a component of weight 0."""
    scheme, features = aggregator(name)
    h = 200 * torch.randn(7, 3, features, generator=generator())
    h[0] = 200.0
    mask = torch.rand(7, 3, generator=generator(1)) < 0.7
    posterior = scheme.float()(h, mask)
    assert posterior.scale.isfinite().all() and (posterior.scale > 0).all()
    draws = posterior.rsample(torch.randn(posterior.components, 7, 2, generator=generator(2)))
    weights = posterior.log_weights().exp().unsqueeze(-1)
    assert (weights * draws).sum(0).isfinite().all()
