"""The model that generated a clustered data set, as one value and as the arrays of ``Dataset.truth``."""

__all__ = ["TrueModel"]

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class TrueModel:
    """c ~ Uniform{1..C}, z | c ~ mean_c + scale_c · ε, x_s = f_s(z) + noise · N(0, I), label = c.

    ε has independent entries of zero mean and unit variance: standard normal, or Laplace of scale 1/√2 (``laplace``).
    f_s multiplies a row vector by the matrices of ``networks[s]`` in turn, with a leaky-ReLU (slope 0.1) between
    them and no bias.

    In ``Dataset.truth`` the fields have these keys (float64):

    - ``cluster_mean``, ``cluster_scale``: [C, L];
    - ``mixing_<s>_<l>``: matrix of layer l of the s-th *vector* modality, [inputs, outputs], both counted from 0;
    - ``noise``: the noise's standard deviation, shape [1];
    - ``laplace``: 1 for Laplace sources, 0 for Gaussian ones, shape [1].
    """

    cluster_mean: Float[np.ndarray, "cluster latent"]
    cluster_scale: Float[np.ndarray, "cluster latent"]
    networks: tuple[tuple[np.ndarray, ...], ...]
    noise: float
    laplace: bool = False

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays of ``Dataset.truth``."""
        arrays = {"cluster_mean": self.cluster_mean, "cluster_scale": self.cluster_scale}
        for s, network in enumerate(self.networks):
            arrays |= {f"mixing_{s}_{layer}": weight for layer, weight in enumerate(network)}
        arrays |= {"noise": np.array([self.noise]), "laplace": np.array([self.laplace])}
        return {key: np.ascontiguousarray(value, dtype=np.float64) for key, value in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "TrueModel":
        """Inverse of ``to_arrays``; other keys are ignored.

        Raises:
            KeyError: if an array is missing, so for every data set that is not clustered.
        """
        sizes: dict[int, int] = {}  # layers of each network
        for key in arrays:
            if key.startswith("mixing_"):
                s = int(key.split("_")[1])
                sizes[s] = sizes.get(s, 0) + 1
        networks = tuple(tuple(arrays[f"mixing_{s}_{layer}"] for layer in range(sizes[s])) for s in sorted(sizes))
        noise, laplace = float(arrays["noise"][0]), bool(arrays["laplace"][0])
        return cls(arrays["cluster_mean"], arrays["cluster_scale"], networks, noise, laplace)
