"""Product of experts with wider encoders (PoE+)."""

__all__ = ["WideProductOfExperts"]

from pimvae.aggregators.poe import ProductOfExperts
from pimvae.aggregators.sum_pooling import SumPooling


class WideProductOfExperts(ProductOfExperts):
    """PoE whose encoders are widened until the model has as many parameters as with sum pooling.

    A learned aggregator brings networks of its own; this scheme tells what of its advantage is size.

    References:
        Hirt et al. (2024), image experiment; product of experts: Wu & Goodman (2018).
    """

    counterpart = SumPooling
