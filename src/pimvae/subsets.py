"""Laws of the random subset S ⊆ O, their probabilities, the enumeration of all subsets, and sums over a subset."""

__all__ = ["LAWS", "all_subsets", "sample_subsets", "subset_probability", "subset_weights", "zero_unless"]

import math
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pimvae.errors import UserError

Law = Literal["uniform_size", "independent", "nonempty", "single", "powerset", "full"]
SubsetLaw = Literal[Law, "all_subsets"]
LAWS: tuple[str, ...] = get_args(Law)
MAX_ENUMERATED = 12  # modalities; 2^12 subsets


def sample_subsets(
    observed: Bool[Tensor, "*batch modality"], uniforms: Float[Tensor, "*batch columns"], law: SubsetLaw
) -> Bool[Tensor, "*batch modality"]:
    """One subset S ⊆ O per sample, from 1 + M uniform draws per sample; S = ∅ wherever O = ∅.

    ``uniform_size`` (the publication's): one rate u ~ U(0, 1) per sample, every observed modality kept with
    probability u, so that |S| is uniform on 0..|O|. ``independent``: every observed modality kept with probability 1/2.
    ``nonempty``: |S| uniform on 1..|O|, then all sets of that size alike. ``single``: one observed modality, all alike.
    ``powerset``: all non-empty subsets alike. ``full``: S = O.

    Raises:
        ValueError: for a law that is not drawn (``all_subsets``) or not known.
    """
    size, keys = uniforms[..., :1], uniforms[..., 1:]
    if law == "uniform_size":
        return observed & (keys < size)
    if law == "independent":
        return observed & (keys < 0.5)
    if law == "full":
        return observed
    if law == "powerset":
        return _nonempty_subset(observed, keys)
    if law == "nonempty":
        total = observed.sum(-1, keepdim=True)
        return _smallest(observed, keys, 1 + torch.minimum((size * total).long(), total - 1))
    if law == "single":
        return _smallest(observed, keys, torch.ones_like(size, dtype=torch.int64))
    raise ValueError(f"no law to draw subsets by: '{law}' (known: {', '.join(LAWS)})")


def zero_unless(mask: Bool[Tensor, "*batch modality"], values: Tensor) -> Tensor:
    """Sum over the modalities in ``mask`` of ``values`` [*sample, *batch, M]; the others are not touched (NaN too)."""
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device)).sum(-1)


def _smallest(observed: Tensor, keys: Tensor, count: Tensor) -> Tensor:
    """The ``count`` observed modalities with the smallest keys: a uniform subset of that size."""
    ranks = torch.where(observed, keys, torch.full_like(keys, torch.inf)).argsort(dim=-1, stable=True).argsort(dim=-1)
    return observed & (ranks < count)


def _nonempty_subset(observed: Tensor, keys: Tensor) -> Tensor:
    """A subset drawn by coins, given that it is not empty.

    While none is kept, the next of r remaining modalities is kept with probability (1/2) / (1 − 2^−r), which is 1 for
    the last one; after the first that is kept, with probability 1/2.
    """
    remaining = observed.flip(-1).cumsum(-1).flip(-1).clamp(min=1).to(keys.dtype)
    first = observed & (keys < 0.5 / (1 - torch.exp2(-remaining)))
    return (observed & (keys < 0.5)) | (first & (first.cumsum(-1) == 1))


def all_subsets(modalities: int, device: torch.device | str = "cpu") -> Bool[Tensor, "subset modality"]:
    """All 2^M subsets of the modalities, the empty one first, the full one last.

    Raises:
        UserError: for more than 12 modalities.
    """
    if modalities > MAX_ENUMERATED:
        raise UserError(f"2^{modalities} subsets cannot be enumerated; at most {MAX_ENUMERATED} modalities")
    numbers, places = torch.arange(2**modalities, device=device), torch.arange(modalities, device=device)
    return (numbers.unsqueeze(-1) >> places) % 2 == 1


def subset_probability(observed: int, size: int, law: SubsetLaw = "uniform_size") -> float:
    """P(S = s) of one subset s of ``size`` out of ``observed`` modalities; ``all_subsets`` stands for ``uniform_size``.

    With n = |O|, k = |s|: ``uniform_size`` 1 / ((n + 1) · binom(n, k)); ``independent`` 2^−n; and for k > 0
    ``nonempty`` 1 / (n · binom(n, k)); ``single`` 1/n if k = 1; ``powerset`` 1 / (2^n − 1); ``full`` 1 if k = n.
    For n = 0 the empty set has probability 1 under every law.
    """
    n, k = observed, size
    if k > n:
        return 0.0
    if n == 0 or law == "full":
        return float(k == n)
    if law == "independent":
        return 2.0**-n
    if law in ("uniform_size", "all_subsets"):
        return 1 / ((n + 1) * math.comb(n, k))
    if k == 0:
        return 0.0
    return {"nonempty": 1 / (n * math.comb(n, k)), "single": float(k == 1) / n, "powerset": 1 / (2**n - 1)}[law]


def subset_weights(
    subsets: Bool[Tensor, "subset modality"], observed: Bool[Tensor, "batch modality"], law: SubsetLaw = "uniform_size"
) -> Float[Tensor, "subset batch"]:
    """P(S = s) for every sample's O, see `subset_probability`; 0 where s ⊄ O."""
    allowed = ~(subsets.unsqueeze(1) & ~observed).any(-1)
    sizes = range(observed.shape[-1] + 1)
    table = torch.tensor([[subset_probability(n, k, law) for k in sizes] for n in sizes])
    return allowed * table.to(observed.device)[observed.sum(-1).unsqueeze(0), subsets.sum(-1).unsqueeze(1)]
