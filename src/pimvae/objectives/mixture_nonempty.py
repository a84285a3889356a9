"""The mixture bound without the empty subset.

E_S { mixture bound of S }, |S| uniform on 1..|O|. Under the publication's law the empty set has probability
1/(|O| + 1), and what is decoded then knows nothing of the sample.

References:
    MMVAE (Shi et al., 2019) and MoPoE (Sutter et al., 2021) never draw the empty set; the bound: Hirt et al. (2024)
"""

__all__ = ["mixture_nonempty"]

from dataclasses import replace

from pimvae.objectives.mixture import mixture

mixture_nonempty = replace(mixture, subset_law="nonempty")
