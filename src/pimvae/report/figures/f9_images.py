"""F9, second part: effect sizes of the claims about images and text."""

__all__ = ["F9_IMAGES"]

from pimvae.report.figures.f9_claims import claim_figure

F9_IMAGES = claim_figure(images=True)
