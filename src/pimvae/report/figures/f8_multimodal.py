"""F8: training curves of the multi-modal experiment, the mean over seeds as a line and their range as a band."""

__all__ = ["F8_MULTIMODAL"]

from pimvae.report.figures._training import training_curves

# ℓ*: the log-likelihood under the true model.
F8_MULTIMODAL = training_curves("multimodal", "llh_ceiling")
