"""Where torch.compile keeps its kernels: in the folder of a run, unless the user named another."""

__all__ = ["COMPILED", "KERNELS", "kernels_in", "kernels_of", "takes_compilers"]

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KERNELS = "TORCHINDUCTOR_CACHE_DIR"  # torch's own variable, which it reads whenever it compiles
COMPILED = "compiled"  # the folder beside what a run writes
DEFAULT = "torchinductor_"  # how torch's own folder begins, in that of temporary files; torch sets the variable to it


def takes_compilers(path: Path | str) -> bool:
    """Whether torch can compile there: it hands paths to the compiler without quotes, so a space cuts them."""
    return not any(character.isspace() for character in str(path))


@contextmanager
def kernels_in(folder: Path | None, compiles: str) -> Iterator[None]:
    """What is compiled meanwhile has its kernels in ``folder``, which is there afterwards if it has any.

    Where the variable is set, by the user or around this, it stays as it is. Without a folder, or with one in a path
    with a space, they go to the user's cache (`pimvae.training.compiled`). Afterwards the variable is as before. Where
    ``compiles`` (`train.compile`) is ``never``, nothing is changed: torch makes the folder that is named, whether it
    compiles or not.
    """
    before = os.environ.get(KERNELS)
    folder = folder if folder is not None and takes_compilers(folder.absolute()) else None
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
    named = os.environ.get(KERNELS) or os.path.abspath(f"{folder}/{COMPILED}")
    if all(choice == "never" for choice in compiles) or not takes_compilers(named):
        return ""
    return f" {KERNELS}={shlex.quote(named)}"
