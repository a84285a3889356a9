"""Encoders, decoders, priors and the multi-modal VAE that joins them; each written for one model, not for a stack."""
