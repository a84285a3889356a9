"""Data sets: one file per kind, each a function of its configuration and a seed; the file name is the kind."""
