"""F6: modalities generated from any others under the mixture bound."""

__all__ = ["F6_MIXTURE"]

from pimvae.report.figures._conditional import conditional_grid

F6_MIXTURE = conditional_grid("mixture")
