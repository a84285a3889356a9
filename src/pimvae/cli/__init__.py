"""The command line ``pimvae``: a file per group of commands, each a function whose docstring is its help."""

__all__ = ["main"]

from pimvae.cli.entry import main
