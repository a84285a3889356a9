"""Likelihoods p(x_s | network output) of images and text, one file per kind."""
