"""F8: training curves of the bi-modal experiment, the mean over seeds as a line and their range as a band."""

__all__ = ["F8_BIMODAL"]

from pimvae.report.figures._training import training_curves

# ℓ*: the log-likelihood under the true model.
F8_BIMODAL = training_curves("bimodal", "llh_ceiling")
