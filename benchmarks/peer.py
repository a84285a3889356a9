"""Encoding: rows per second of this package against those of MultiVae, with encoders of equal size on equal data.

MultiVae is no dependency: in an environment of its own, ``pip install multivae -e .``; ``python -m benchmarks.peer``.
Both take products of experts (``poe`` here, ``MVAE`` there), two hidden layers of 512 units per modality, and give the
posterior means of all rows. Ratios of CPU seconds in one process, one thread, repetitions interleaved.
"""

__all__ = ["main", "results"]

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks.measure import FULL, Effort, Result, interleaved

ROWS, WIDTH, LATENT, MODALITIES = 10_000, 10, 8, 3


def main() -> None:
    """Print a line per result."""
    torch.set_num_threads(1)
    for result in results(FULL):
        spread = "" if result.spread is None else f" ± {result.spread:.2g}"
        print(f"{result.case}: {result.quantity} {result.value:.4g}{spread} {result.unit}")


def results(effort: Effort, rows: int = ROWS) -> Iterator[Result]:
    """Throughput of both, and their ratio (more than 1: this package is faster)."""
    rng = np.random.default_rng(0)
    data = {f"view{s}": rng.normal(size=(rows, WIDTH)).astype(np.float32) for s in range(MODALITIES)}
    tensors = {name: torch.from_numpy(values) for name, values in data.items()}
    actions = {"pimvae": _ours(tensors), "MultiVae": _theirs(tensors)}
    times = interleaved({name: _repeated(action) for name, action in actions.items()}, effort)
    case = f"encode {rows:,} rows, {MODALITIES} modalities of {WIDTH} columns"
    for name, timing in times.items():
        yield timing.result(case, name, "rows/s", lambda seconds: rows / seconds)
    yield times["MultiVae"].over(times["pimvae"], case, "ratio")


def _repeated(action: Callable[[], object]) -> Callable[[int], None]:
    def several(count: int) -> None:
        for _ in range(count):
            action()

    return several


def _ours(data: dict[str, torch.Tensor]) -> Callable[[], object]:
    from pimvae import MultimodalVAE

    settings = {"model.encoder_widths": [512, 512]}
    model = MultimodalVAE.from_data(data, aggregator="poe", latent=LATENT, standardise=False, settings=settings)
    return lambda: model.encode(data, refined=False).mean


def _theirs(data: dict[str, torch.Tensor]) -> Callable[[], object]:
    from multivae.data.datasets.base import MultimodalBaseDataset
    from multivae.models import MVAE, MVAEConfig

    shapes = dict.fromkeys(data, (WIDTH,))
    model = MVAE(MVAEConfig(n_modalities=len(data), latent_dim=LATENT, input_dims=shapes)).eval()
    inputs = MultimodalBaseDataset(data)

    @torch.no_grad()
    def encode() -> object:
        return model.encode(inputs, return_mean=True).z

    return encode


if __name__ == "__main__":
    main()
