"""Evaluation: exact oracles, importance-sampled likelihoods, identifiability, rates."""
