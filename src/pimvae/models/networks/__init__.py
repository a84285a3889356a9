"""Encoders and decoders, one file per family; the file name is the name used in configurations (``model.networks``)."""
