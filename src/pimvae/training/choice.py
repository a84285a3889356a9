"""Whether a step is compiled: always, never, or where that pays on this machine."""

__all__ = ["Choice", "Gain", "choose", "pays"]

import platform
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from pimvae.files import read_mapping, write_json
from pimvae.training.compiled import Compiled, NotCompiledError, cache_folder
from pimvae.training.origin import cpu_model
from pimvae.training.replay import Operations

Choice = Literal["auto", "always", "never"]
FILE = "compile.json"
TIMED, REPETITIONS = 5, 3  # calls in one timing; the shortest of several is what nothing else disturbed
LEAST = 20.0  # seconds: no compiler is done before; shorter trainings are not worth a measurement


@dataclass(frozen=True)
class Gain:
    """What compiling brings on a machine: time of a compiled step / replayed step, and seconds that compiling takes."""

    ratio: float
    seconds: float


def pays(calls: int, step: float, gain: Gain) -> bool:
    """calls · step · (1 − ratio) > seconds of compiling, for a replayed step of ``step`` seconds."""
    return calls * step * (1 - gain.ratio) > gain.seconds


def choose(
    choice: Choice,
    calls: int,
    plain: Callable[..., Operations],
    function: Operations,
    inputs: Sequence[Tensor],
) -> Operations:
    """``function`` compiled or in its plain form.

    ``auto`` times the plain form and compiles where `pays` says so. What compiling brings is measured once per machine,
    with the first training that is long enough, and kept in the user's cache. A step that cannot be compiled is told
    in one line and takes its plain form.

    Args:
        choice: whether to compile.
        calls: how many are to come.
        plain: makes the plain form for these inputs.
        function: tensors -> list of tensors.
        inputs: its arguments; the first one are the parameters, which change in place.
    """
    if choice == "always":
        return _compiled(function, inputs) or plain(*inputs)
    usual = plain(*inputs)
    if choice == "never":
        return usual
    step, gain = _seconds(usual, inputs), _known(inputs[0])
    if gain is not None:
        return (_compiled(function, inputs) if pays(calls, step, gain) else None) or usual
    if calls * step < LEAST:
        return usual
    start = time.perf_counter()
    found = _compiled(function, inputs)
    if found is None:
        return usual
    taken = time.perf_counter() - start
    gain = Gain(_seconds(found, inputs) / step, taken)
    _keep(inputs[0], gain)
    return found if gain.ratio < 1 else usual  # the compiler is paid for


def _compiled(function: Operations, inputs: Sequence[Tensor]) -> Compiled | None:
    """The compiled form; None, and a line that says why, where there is none."""
    try:
        return Compiled(function, *inputs, fixed=1)
    except NotCompiledError as error:
        print(f"pimvae: note: the step is not compiled but replayed: {error}", file=sys.stderr)
        return None


def _seconds(operations: Operations, inputs: Sequence[Tensor]) -> float:
    """Of one call, once it is warm."""
    times = []
    with torch.no_grad():
        for _ in range(REPETITIONS + 1):
            start = time.perf_counter()
            for _ in range(TIMED):
                operations(*inputs)
            if inputs[0].is_cuda:
                torch.cuda.synchronize()
            times.append((time.perf_counter() - start) / TIMED)
    return min(times[1:])


def _machine(parameters: Tensor) -> str:
    """What the gain depends on, beside the step."""
    name = torch.cuda.get_device_name() if parameters.is_cuda else f"{cpu_model()}, {torch.get_num_threads()} threads"
    return f"{platform.node()}, {name}, torch {torch.__version__}"


def _known(parameters: Tensor) -> Gain | None:
    """The gain that was measured on this machine, if it was."""
    with suppress(ValueError, KeyError, TypeError):
        found = _kept()[_machine(parameters)]
        return Gain(float(found["ratio"]), float(found["seconds"]))
    return None


def _keep(parameters: Tensor, gain: Gain) -> None:
    """Beside those of other machines, which may share a home; where nothing can be written it is measured again."""
    if folder := cache_folder():
        with suppress(OSError):
            write_json(folder / FILE, _kept() | {_machine(parameters): asdict(gain)})


def _kept() -> dict[str, Any]:
    """Gains by machine; a file that is absent or damaged holds none, and is no error."""
    folder = cache_folder()
    return read_mapping(folder / FILE) if folder else {}
