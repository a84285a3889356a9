"""Everything that decides how a training goes on, as tensors and facts, and back."""

__all__ = ["restored", "state_of"]

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pimvae.training.loop import Trainer


def state_of(trainer: "Trainer") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Parameters, moments of Adam, counts, states of all generators, order of the epoch and history."""
    history = trainer.history
    facts = {
        "step": trainer.step,
        "entries": trainer.optimiser.entries,
        "averaged": trainer.average.updated,
        "form": trainer.program.form,
        "stopped": [[replica, step] for replica, step in trainer.stopped.items()],
        "steps_of_history": [step for step, _ in history.rows],
        "terms": list(history.rows[0][1] if history.rows else history.sums),  # their order
    }
    return _tensors(trainer), facts


def _places(trainer: "Trainer") -> dict[str, Tensor]:
    """The tensors that training changes in place."""
    optimiser = trainer.optimiser
    places = {
        "flat": trainer.stack.flat,
        "mean": optimiser.mean,
        "square": optimiser.square,
        "alive": optimiser.alive,
        "nonfinite": optimiser.nonfinite,
        "clipped": optimiser.clipped,
        "failures": trainer.failures,
    }
    return places if trainer.average.mean is None else places | {"average": trainer.average.mean}


def _tensors(trainer: "Trainer") -> dict[str, Tensor]:
    """Every tensor that changes in training."""
    history = trainer.history
    state = _places(trainer) | {"generators": trainer.streams.state()}
    if trainer.order is not None:
        state["order"] = trainer.order
    state |= {f"epoch/{name}": numbers for name, numbers in trainer.epoch.items()}
    state |= {f"kept/{share}": weights for share, weights in trainer.kept.items()}
    state |= {f"sum/{name}": total for name, total in history.sums.items()}
    names = history.rows[0][1] if history.rows else {}  # one tensor [rows, R] per term
    return state | {f"history/{name}": torch.stack([terms[name] for _, terms in history.rows]) for name in names}


def restored(trainer: "Trainer", tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Put ``trainer``, freshly made, into the state that `state_of` told."""
    optimiser, history, device = trainer.optimiser, trainer.history, trainer.stack.flat.device

    def below(prefix: str) -> dict[str, Tensor]:
        found = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        return {name.removeprefix(prefix): tensor.to(device) for name, tensor in found.items()}

    if "order" in tensors:
        trainer.start_epoch(tensors["order"].to(device))
    trainer.epoch = below("epoch/")
    with torch.no_grad():
        for name, place in _places(trainer).items():
            place.copy_(tensors[name])
    optimiser.stop(~optimiser.alive)
    trainer.streams.restore(tensors["generators"])
    trainer.step, optimiser.entries = facts["step"], facts["entries"]
    trainer.average.updated = facts["averaged"]
    trainer.program.form = facts.get("form")
    if trainer.program.choice == "auto" and trainer.program.form:  # what was chosen stays: the bits depend on it
        trainer.program.choice = "always" if trainer.program.form == "compiled" else "never"
    trainer.kept = {float(share): weights for share, weights in below("kept/").items()}
    trainer.stopped = dict(facts["stopped"])
    names, steps = facts["terms"], facts["steps_of_history"]
    sums = below("sum/")
    history.sums = {name: sums[name] for name in names if name in sums}
    rows = {name: tensors[f"history/{name}"] for name in names if steps}
    history.rows = [(step, {name: values[i] for name, values in rows.items()}) for i, step in enumerate(steps)]
