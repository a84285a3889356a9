"""Laws of the random subset S ⊆ O and the exact enumeration of all subsets."""

__all__ = ["all_subsets", "sample_subsets", "subset_weights"]

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.errors import UserError

SubsetLaw = Literal["uniform_size", "independent", "all_subsets"]
MAX_ENUMERATED = 12  # modalities; 2^12 subsets


def sample_subsets(
    observed: Bool[Tensor, "*batch modality"], uniforms: Float[Tensor, "*batch columns"], law: SubsetLaw
) -> Bool[Tensor, "*batch modality"]:
    """One subset S ⊆ O per sample, from 1 + M uniform draws per sample.

    ``uniform_size``: one rate u ~ U(0, 1) per sample, every observed modality kept with probability u, so that |S| is
    uniform on 0..|O|. ``independent``: every observed modality kept with probability 1/2.
    """
    rate = uniforms[..., :1] if law == "uniform_size" else 0.5
    return observed & (uniforms[..., 1:] < rate)


def all_subsets(modalities: int, device: torch.device | str = "cpu") -> Bool[Tensor, "subset modality"]:
    """All 2^M subsets of the modalities, the empty one first, the full one last.

    Raises:
        UserError: for more than 12 modalities.
    """
    if modalities > MAX_ENUMERATED:
        raise UserError(f"2^{modalities} subsets cannot be enumerated; at most {MAX_ENUMERATED} modalities")
    numbers, places = torch.arange(2**modalities, device=device), torch.arange(modalities, device=device)
    return (numbers.unsqueeze(-1) >> places) % 2 == 1


def subset_weights(
    subsets: Bool[Tensor, "subset modality"], observed: Bool[Tensor, "batch modality"], law: SubsetLaw = "uniform_size"
) -> Float[Tensor, "subset batch"]:
    """P(S = s) for every sample's O; 0 where s ⊄ O.

    ``uniform_size`` (and ``all_subsets``, its exact form): 1 / ((|O| + 1) · binom(|O|, |s|)); ``independent``: 2^−|O|.
    """
    allowed = ~(subsets.unsqueeze(1) & ~observed).any(-1)
    total = observed.sum(-1)
    if law == "independent":
        return allowed * torch.pow(2.0, -total.to(torch.get_default_dtype()))
    top = observed.shape[-1] + 1
    table = torch.tensor([[1 / ((n + 1) * math.comb(n, k)) if k <= n else 0.0 for k in range(top)] for n in range(top)])
    size = subsets.sum(-1)
    return allowed * table.to(observed.device)[total.unsqueeze(0), size.unsqueeze(1)]
