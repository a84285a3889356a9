"""Where torch.compile keeps its kernels: in the folder of a run, unless the user named another."""

__all__ = ["COMPILED", "KERNELS", "kernels_in", "kernels_of"]

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KERNELS = "TORCHINDUCTOR_CACHE_DIR"  # torch's own variable, which it reads whenever it compiles
COMPILED = "compiled"  # the folder beside what a run writes
DEFAULT = "torchinductor_"  # how torch's own folder begins, in that of temporary files; torch sets the variable to it


@contextmanager
def kernels_in(folder: Path | None, compiles: str) -> Iterator[None]:
    """What is compiled meanwhile has its kernels in ``folder``, which is there afterwards if it has any.

    Where the variable is set, by the user or around this, it stays as it is. Without a folder they go to the user's
    cache (`pimvae.training.compiled`). Afterwards the variable is as before. Where ``compiles`` (`train.compile`) is
    ``never``, nothing is changed: torch makes the folder that is named, whether it compiles or not.
    """
    before = os.environ.get(KERNELS)
    free = compiles != "never" and (before is None or Path(before).name.startswith(DEFAULT))
    if free and folder is not None:
        os.environ[KERNELS] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(KERNELS, None)
        else:
            os.environ[KERNELS] = before
        if free and folder is not None:
            with suppress(OSError):  # there are kernels, or there is no folder
                folder.rmdir()


def kernels_of(compiles: Iterable[str], folder: str) -> str:
    """What a shell exports so that cells (their `train.compile`) share ``folder``/compiled; nothing if none does."""
    if all(choice == "never" for choice in compiles):
        return ""
    return f" {KERNELS}={shlex.quote(os.environ.get(KERNELS) or os.path.abspath(f'{folder}/{COMPILED}'))}"
