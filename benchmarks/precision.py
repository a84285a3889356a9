"""Products in less than single precision: time of a step, and what they do to the distance to the exact answers.

The second part trains the same seeds twice. Its ± is half of the 95 % Student interval over seeds: of the values in
full precision, and of the differences by seed.
"""

__all__ = ["run"]

from collections.abc import Iterator

import torch

from benchmarks.measure import Effort, Result, interleaved
from benchmarks.trainings import Steps, cell, draw, models_and_data, stacked
from pimvae.claims.statistics import mean_interval, paired_difference
from pimvae.config.schema import Cell
from pimvae.evaluation.evaluation import evaluation_of
from pimvae.evaluation.rows import Rows
from pimvae.training.device import set_precision
from pimvae.training.loop import Trainer
from pimvae.training.start import start_from_data

LOWER = {"cpu": ("bf16",), "cuda": ("tf32", "bf16")}
WIDTHS, TIMED = (64, 256), "complete-poe-masked"  # most of its products are those of encoders and decoders
# Cells of the laptop's sizes, cut short, and what is exact about them: the gap to the maximum of the likelihood, that
# of the bound, the divergence from the true posteriors; the near-exact log-likelihood of held-out samples.
DISTANCES = {
    ("linear", "dense-sum_pooling-masked"): ("llh_gap", "bound_gap", "kl_posterior"),
    ("multimodal", "complete-sum_pooling-masked"): ("llh",),
}
STEPS, SEEDS, HALF = 400, 5, 0.5  # at half of the steps only what claims read is evaluated
SIZES = {"samples": 100, "llh_samples": 64, "draws": 8}
FEW = {"samples": 8, "llh_samples": 4, "draws": 2, "refined_particles": 8, "refinement_steps": 2}


def run(effort: Effort) -> Iterator[Result]:
    """Time by width at the publication's batches, then differences of metrics."""
    for width in WIDTHS[:1] if effort.minimal else WIDTHS:
        yield from _speed(effort, width)
    for (experiment, name), metrics in DISTANCES.items():
        chosen = cell(effort, "laptop", experiment, name, 2 if effort.minimal else SEEDS)
        sizes = chosen.evaluation.model_copy(update=FEW if effort.minimal else SIZES)
        chosen = chosen.model_copy(update={"evaluation": sizes})
        yield from _distances(effort, chosen, 4 if effort.minimal else STEPS, metrics)


def _in(chosen: Cell, precision: str, **train: object) -> Cell:
    return chosen.model_copy(update={"train": chosen.train.model_copy(update={"precision": precision} | train)})


def _speed(effort: Effort, width: int) -> Iterator[Result]:
    chosen = cell(effort, "paper", "multimodal", TIMED)
    if not effort.minimal:
        model = chosen.model.model_copy(update={"encoder_widths": (width, width)})
        chosen = chosen.model_copy(update={"model": model})
    names = ("full", *LOWER[effort.device])
    times = interleaved({name: _prepared(_in(chosen, name), effort.device) for name in names}, effort)
    for name in names[1:]:
        case = f"multimodal/{TIMED}, width {width}, batch {chosen.train.batch_size}"
        yield times["full"].over(times[name], case, f"full / {name}")


def _prepared(chosen: Cell, device: str) -> Steps:
    """With the first step done, in which the products of a CUDA graph are fixed."""
    set_precision(torch.device(device), chosen.train.precision)
    training = stacked(chosen, device)
    training(1)
    return training


def _distances(effort: Effort, chosen: Cell, steps: int, metrics: tuple[str, ...]) -> Iterator[Result]:
    case = f"laptop {chosen.experiment}/{chosen.name}, {steps} steps, {len(chosen.seeds)} seeds"
    full = _metrics(_in(chosen, "full", steps=steps), effort.device)
    for name in metrics:
        found = mean_interval(list(full[name].values()))
        yield Result(case, f"{name}, full", found.mean, spread=found.half)
    for precision in LOWER[effort.device]:
        lower = _metrics(_in(chosen, precision, steps=steps), effort.device)
        for name in metrics:
            difference = paired_difference(lower[name], full[name])
            yield Result(case, f"{name}, {precision} − full", difference.mean, spread=difference.half)


def _metrics(chosen: Cell, device: str) -> dict[str, dict[int, float]]:
    """Metric → seed → value of what is trained now: given everything, or the average of a bound over subsets."""
    models, data = models_and_data(chosen)
    for model, split in zip(models, data, strict=True):
        start_from_data(model, split, chosen.train.start)
    set_precision(torch.device(device), chosen.train.precision)
    trainer = Trainer(chosen, models, data, chosen.seeds, [1.0] * len(models), device)
    trainer.run()
    weights, kind = trainer.weights(), evaluation_of(chosen)
    found: dict[str, dict[int, float]] = {}
    for r, (seed, model) in enumerate(zip(chosen.seeds, models, strict=True)):
        model.load_state_dict({name: values[r] for name, values in weights.items()})
        rows = Rows(chosen, seed, 1.0, HALF)
        model.double().requires_grad_(False).eval()
        data = draw(chosen.data.kind, chosen.data, seed)
        kind(cell=chosen, model=model, data=data, rows=rows, seed=seed).measure()
        for *_, subset, metric, value in rows.rows:
            if subset in ("all", "average"):
                found.setdefault(metric, {})[seed] = value
    return found
