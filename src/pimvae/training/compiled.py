"""A recorded computation as kernels that torch.compile makes of it."""

__all__ = ["Compiled", "NotCompiledError", "cache_folder"]

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, fx

from pimvae.kernels import KERNELS, takes_compilers
from pimvae.training.captured import Captured
from pimvae.training.replay import Operations, buffer_for, recorded

WORKERS = "TORCHINDUCTOR_COMPILE_THREADS"


class NotCompiledError(Exception):
    """There is no compiler, or it failed; one line that says why."""


class Compiled:
    """``function`` as kernels, each of which does many of its operations.

    The operations are recorded as for a replay, below autograd and vmap: what torch.compile sees is one plain graph,
    whatever the model. Results equal those of ``function`` but for rounding: sums are added up in another order. On a
    GPU the kernels are captured in a CUDA graph. Inputs are copied to their buffers before a run, so that they always
    lie alike; results are valid until the next call.

    Args:
        function: tensors -> list of tensors; shapes, and the branches taken, are fixed from now on.
        inputs: its arguments.
        fixed: so many of them, the first ones, are these very tensors in all runs; only their content changes.

    Raises:
        NotCompiledError: without a C++ compiler (on CUDA: Triton), or where torch's fails.

    References:
        PyTorch 2: faster machine learning through dynamic Python bytecode transformation and graph compilation (Ansel
        et al., 2024), https://doi.org/10.1145/3620665.3640366
    """

    def __init__(self, function: Operations, *inputs: Tensor, fixed: int = 0) -> None:
        self.fixed = fixed
        self.inputs = [*inputs[:fixed], *(buffer_for(tensor) for tensor in inputs[fixed:])]
        graph, constants, in_place = recorded(function, self.inputs)
        if in_place:
            raise NotCompiledError(f"it changes tensors in place ({in_place[0]})")
        _keep_kernels()
        self.run = torch.compile(fx.GraphModule(constants, graph), fullgraph=True, dynamic=False)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of torch about itself
            try:
                self.run(*self.inputs)
                # By us: torch's own graphs ("reduce-overhead") cost more on the host than they save.
                self.captured = Captured(self.run, *self.inputs) if inputs[0].is_cuda else None
            except Exception as error:  # whatever the compiler, the linker or torch has to say
                raise NotCompiledError(_reason(error)) from error

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        if self.captured is not None:
            return self.captured(*inputs)  # which has buffers of its own
        for buffer, tensor in zip(self.inputs[self.fixed :], inputs[self.fixed :], strict=True):
            buffer.copy_(tensor)
        with torch.no_grad():
            return list(self.run(*self.inputs))


def cache_folder() -> Path | None:
    """The folder of this package in the user's cache, made if it is not there; None where it cannot be written."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pimvae"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None
    return folder if os.access(folder, os.W_OK) else None


def _keep_kernels() -> None:
    """Let torch keep its kernels from run to run, unless it was told where, and use no more processes than threads.

    They are found again by a training that goes on, and by one of equal shapes. Without a place torch takes the
    system's folder of temporary files.
    """
    folder = cache_folder()
    if folder is not None and takes_compilers(folder):
        os.environ.setdefault(KERNELS, str(folder / "kernels"))
    os.environ.setdefault(WORKERS, str(torch.get_num_threads()))


def _reason(error: Exception) -> str:
    """The first line of a message that says something; torch's own first one names the part that failed."""
    if "C++" in str(error) and not takes_compilers(torch.__file__):
        return f"torch cannot compile from a path with a space, {Path(torch.__file__).parent}"
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.endswith("raised:")), type(error).__name__)
