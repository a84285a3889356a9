"""Aggregators: maps from the features of any subset of the modalities to a posterior; one file per scheme.

The file name is the name used in configurations; see `pimvae.aggregators._base.Aggregator` for the interface.
"""
