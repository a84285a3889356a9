"""Verdicts on the claims of the publication, computed from results by paired comparisons."""
