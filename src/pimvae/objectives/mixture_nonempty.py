"""The mixture bound without the empty subset."""

__all__ = ["mixture_nonempty"]

from dataclasses import replace

from pimvae.objectives.mixture import mixture

# E_S { mixture bound of S }, |S| uniform on 1..|O|: under the publication's law the empty set has probability
# 1 / (|O| + 1), and what is decoded then knows nothing of the sample. MMVAE and MoPoE never draw it.
mixture_nonempty = replace(mixture, subset_law="nonempty")
