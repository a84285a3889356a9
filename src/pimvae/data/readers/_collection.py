"""Modalities by name, as read, with the ids of their samples."""

__all__ = ["Collection"]

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np

from pimvae.data.raw import Raw
from pimvae.errors import UserError


@dataclass(frozen=True)
class Collection:
    """n samples of several modalities, before their kinds are known.

    Args:
        raws: the modalities, all with n rows.
        ids: text [n]; the row numbers where the source has none.
        source: what to call it in messages.
        test: held-out samples of the same modalities, if the source has any.

    Raises:
        UserError: if there is no modality, one has no name or another one's, their numbers of samples differ, or an id
            comes twice.
    """

    raws: tuple[Raw, ...]
    ids: tuple[str, ...]
    source: str
    test: "Collection | None" = None

    def __post_init__(self) -> None:
        if not self.raws:
            raise UserError(f"{self.source}: there is no modality")
        lengths = {raw.name: len(raw) for raw in self.raws}
        if len({*lengths.values(), len(self.ids)}) > 1:
            raise UserError(f"{self.source}: modalities differ in their number of samples: {lengths}")
        if not self.ids:
            raise UserError(f"{self.source}: there are no samples")
        if odd := [name for name in self.names if not name.isprintable()]:
            raise UserError(f"{self.source}: the name {odd[0]!a} of a modality holds what cannot be printed")
        if "" in self.names or len(set(self.names)) < len(self.names):
            raise UserError(f"{self.source}: every modality needs a name of its own, found {list(self.names)}")
        ids = (*self.ids, *(self.test.ids if self.test else ()))
        twice = next((key for key, count in Counter(ids).items() if count > 1), None)
        if twice is not None:
            raise UserError(f"{self.source}: the id '{twice}' occurs twice")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(raw.name for raw in self.raws)

    def raw(self, name: str) -> Raw:
        """A modality by name."""
        return self.raws[self.names.index(name)]

    def select(self, rows: np.ndarray) -> "Collection":
        """Some of the samples, none held out."""
        return Collection(tuple(raw.select(rows) for raw in self.raws), tuple(self.ids[i] for i in rows), self.source)

    def split(self, fraction: float, seed: int = 0) -> "Collection":
        """The same with a random share of the samples held out.

        Raises:
            UserError: if the share is not between 0 and 1, a side would be empty, or some samples are held out already.
        """
        if not 0 < fraction < 1:
            raise UserError(f"the held-out share is {fraction}, must lie between 0 and 1")
        if self.test is not None:
            raise UserError(f"{self.source} has held-out samples already: leave the held-out share out")
        order = np.random.default_rng(seed).permutation(len(self))
        count = round(fraction * len(self))
        if not 0 < count < len(self):
            raise UserError(f"a share of {fraction} of {len(self)} samples leaves nothing on one side")
        test = self.select(np.sort(order[:count]))
        rest = self.select(np.sort(order[count:]))
        return Collection(rest.raws, rest.ids, self.source, test)

    def sha256(self) -> str:
        """Checksum of names, ids and values, held-out samples included."""
        digest = hashlib.sha256()
        for part in (self, self.test):
            if part is None:
                continue
            digest.update(repr(part.ids).encode())
            for raw in part.raws:
                values = raw.values
                digest.update(repr((raw.name, raw.columns, values.shape, values.dtype.str)).encode())
                plain = repr(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes()
                digest.update(plain)
                digest.update(raw.marked().tobytes())
        return digest.hexdigest()
