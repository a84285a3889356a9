"""Variational bounds, one file per bound; the file name is the name used in configurations."""
