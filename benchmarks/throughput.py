"""Arithmetic of a step (5 views × 25, MLP 2×256, batch 250, one replica) against a large matrix product."""

__all__ = ["matrix_product", "run"]

from collections.abc import Callable, Iterator

import torch

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.trainings import cell, stacked, step_flops

# Cell, whether the decoders are as wide as the encoders; budgets: steps/s, share of the matrix product's rate.
CASES = (
    ("complete-poe-masked", True, 25.0, None),
    ("complete-sum_pooling-masked", True, None, 0.6),
    ("complete-poe-masked", False, 25.0, None),
    ("complete-sum_pooling-masked", False, None, 0.6),
    ("complete-self_attention-masked", False, None, None),
    ("complete-sum_pooling-mixture", False, None, None),
)
SIDE, SMALL = 1024, 32


def matrix_product(side: int, device: str, dtype: torch.dtype = torch.float32) -> tuple[Callable[[int], None], float]:
    """An action that multiplies two square matrices, and the operations of one product."""
    a, b = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))
    out = torch.empty_like(a)

    def action(count: int) -> None:
        for _ in range(count):
            torch.mm(a, b, out=out)

    return action, 2.0 * side**3


def run(effort: Effort) -> Iterator[Result]:
    """Steps/s of one replica, GFLOP/s of its matrix products, and their share of what one large product reaches."""
    side = SMALL if effort.minimal else SIDE
    product, product_flops = matrix_product(side, effort.device)
    trainings, operations, budgets = {"": product}, {}, {}
    for name, wide, rate, share in CASES[:1] if effort.minimal else CASES:
        case, chosen = f"{name}{', decoders 2×256' if wide else ''}", cell(effort, "paper", "multimodal", name)
        trainings[case], operations[case] = stacked(chosen, effort.device, wide), step_flops(chosen, wide)
        budgets[case] = (rate, share)
    times = interleaved(trainings, effort)
    case = f"matrix product {side}×{side}"
    yield times[""].result(case, "rate", "GFLOP/s", lambda s: product_flops / s / 1e9)
    for case, flops in operations.items():
        rate, share = budgets[case]
        yield times[case].result(case, "steps", "/s", lambda s: 1 / s, least=rate)
        yield Result(case, "operations of a step", flops / 1e9, "GFLOP")
        yield times[case].result(case, "rate", "GFLOP/s", lambda s, flops=flops: flops / s / 1e9)
        yield times[""].over(times[case], case, "rate / matrix product", flops / product_flops, least=share)
