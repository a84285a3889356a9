"""Stack widths, and everything that runs on a GPU (skipped where there is none)."""

import pytest
import torch
from builders import DIMS, MAX_DIM, double_precision, training_cell, training_data

from pimvae.errors import UserError
from pimvae.models.vae import build_model
from pimvae.training.device import choose_device, largest_stack, machine, set_precision
from pimvae.training.loop import Trainer

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
float64 = pytest.fixture(double_precision)


@pytest.mark.parametrize(
    ("replicas", "free", "needed", "width"),
    [(15, 1000, 10, 15), (15, 100, 10, 8), (15, 50, 10, 4), (6, 50, 10, 3), (3, 13, 10, 1), (1, 1000, 0, 1)],
)
def test_stacks_are_as_wide_as_memory_allows_and_equal(replicas, free, needed, width):
    """Four fifths of the free memory: 100 allow 8 replicas of 10, and 15 in two stacks are 8 and 7."""
    assert largest_stack(replicas, free, needed) == width


def test_a_replica_too_large_for_the_device_is_an_error():
    with pytest.raises(UserError, match=r"needs 4.0 GiB of device memory, 2.0 GiB are free"):
        largest_stack(3, 2 * 2**30, 4 * 2**30)


def test_auto_finds_a_device_and_the_record_names_it():
    device = choose_device("auto")
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert machine(device)["device"] == device.type and machine(device)["tf32"] is False


@gpu
@pytest.mark.parametrize("aggregator", ["poe", "moe", "sum_pooling", "self_attention", "private_sum_pooling"])
@pytest.mark.parametrize("objective", ["masked", "mixture", "tc"])
def test_a_captured_step_is_the_step(aggregator, objective):
    cell = training_cell(aggregator, objective, steps=6, clip=10.0)
    pair = [on("cuda", cell, trace) for trace in (True, False)]
    for member in pair:
        member.run()
    torch.testing.assert_close(pair[0].stack.flat, pair[1].stack.flat, rtol=0, atol=1e-5)
    assert pair[0].optimiser.entries == pair[1].optimiser.entries


@gpu
@pytest.mark.parametrize("aggregator", ["poe", "sum_pooling", "self_attention"])
def test_a_compiled_step_on_a_gpu_is_the_step(aggregator, monkeypatch, tmp_path):
    """Enough steps for warm-up, capture and replays of its CUDA graph."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    compiled, plain = (
        on("cuda", training_cell(aggregator, steps=6, compile=compile_), compile_ == "always")
        for compile_ in ("always", "never")
    )
    for member in (compiled, plain):
        member.run()
    assert (compiled.program.form, plain.program.form) == ("compiled", "autograd")
    torch.testing.assert_close(compiled.stack.flat, plain.stack.flat, rtol=0, atol=1e-3)


@gpu
def test_tf32_is_on_where_it_is_asked_for():
    device = choose_device("cuda")
    for precision in ("tf32", "full"):
        set_precision(device, precision)
        assert machine(device)["tf32"] is (precision == "tf32")


@gpu
def test_a_step_on_a_gpu_is_the_step_on_a_cpu(float64):
    """Loss, terms and gradient of the same draws, in double precision."""
    host, device = (on(name, training_cell(), dtype=torch.float64) for name in ("cpu", "cuda"))
    for member in (host, device):
        member.start_epoch(torch.arange(member.data.size, device=member.beta.device).repeat(2, 1))
    x, observed = host.data.batch(slice(0, 8))
    draws = host._draw(observed)
    steps = [
        member.program(
            member.stack.flat, *(tensor.to(member.beta.device) for tensor in (x, observed, *draws, host.beta))
        )
        for member in (host, device)
    ]
    for name, value in {"gradient": steps[0].gradient, "loss": steps[0].loss, **steps[0].terms}.items():
        other = getattr(steps[1], name, None) if name in ("gradient", "loss") else steps[1].terms[name]
        torch.testing.assert_close(other.cpu(), value, rtol=1e-9, atol=1e-9)


@gpu
def test_training_on_a_gpu_nears_the_same_loss_as_on_a_cpu():
    cell = training_cell(steps=150)
    host, device = (on(name, cell) for name in ("cpu", "cuda"))
    host.run()
    device.run()
    last = [torch.stack([terms["loss"] for _, terms in t.history.rows[-20:]]).mean(0) for t in (host, device)]
    torch.testing.assert_close(last[0], last[1], rtol=0.1, atol=0.5)


def on(device, cell, trace=True, dtype=torch.float32):
    """A trainer of two replicas on a device."""
    models = [build_model(cell.model, DIMS, MAX_DIM, ("gaussian",) * 3, 0.7, seed) for seed in (0, 1)]
    return Trainer(cell, models, [training_data(seed).to(dtype) for seed in (0, 1)], [0, 1], [1.0, 1.0], device, trace)
