"""F8: training curves of the linear experiment, the mean over seeds as a line and their range as a band."""

__all__ = ["F8_TRAINING"]

from pimvae.report.figures._training import training_curves

# ℓ*: the log-likelihood at its maximum, the best that any linear model attains.
F8_TRAINING = training_curves("linear", "llh_mle")
