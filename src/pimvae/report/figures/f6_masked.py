"""F6: modalities generated from any others under the masked bound."""

__all__ = ["F6_MASKED"]

from pimvae.report.figures._conditional import conditional_grid

F6_MASKED = conditional_grid("masked")
