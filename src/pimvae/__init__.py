"""Multi-modal VAEs with permutation-invariant encoders and tighter bounds: models, exact oracles, report."""

__version__ = "0.2.0"
