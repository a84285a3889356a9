"""Mixture of experts with wider encoders (MoE+)."""

__all__ = ["WideMixtureOfExperts"]

from pimvae.aggregators.moe import MixtureOfExperts
from pimvae.aggregators.sum_pooling import SumPooling


class WideMixtureOfExperts(MixtureOfExperts):
    """MoE whose encoders are widened until the model has as many parameters as with sum pooling.

    A learned aggregator brings networks of its own; this scheme tells what of its advantage is size.

    References:
        Hirt et al. (2024), image experiment; mixture of experts: Shi et al. (2019).
    """

    counterpart = SumPooling
