"""A computation captured in a CUDA graph."""

__all__ = ["Captured"]

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UPS = 3  # runs before the capture: libraries choose their kernels and allocate their workspaces in them


class Captured:
    """``function(*inputs)`` as one launch on the GPU, whatever the number of its kernels.

    The graph reads from and writes to fixed memory: inputs are copied to their buffers before a launch, and results
    are overwritten by the next one. Random numbers are drawn outside.

    Args:
        function: tensors -> list of tensors; no host synchronisation, no random numbers.
        inputs: CUDA tensors, whose shapes every later call shares.

    References:
        CUDA graphs in torch, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    def __init__(self, function: Callable[..., list[Tensor]], *inputs: Tensor) -> None:
        self.inputs = [tensor.clone() for tensor in inputs]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                function(*self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.outputs = function(*self.inputs)

    def __call__(self, *inputs: Tensor) -> list[Tensor]:
        for buffer, tensor in zip(self.inputs, inputs, strict=True):
            buffer.copy_(tensor)
        self.graph.replay()
        return self.outputs
