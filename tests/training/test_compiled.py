"""A compiled step against the replayed one, when a step is compiled, and what happens where that is not possible."""

import json
import os
import re

import pytest
import torch
from builders import DIMS, MAX_DIM, normal, training_cell, training_data

from pimvae import registry
from pimvae.config.schema import TrainConfig
from pimvae.kernels import takes_compilers
from pimvae.models.vae import build_model
from pimvae.training import choice, compiled
from pimvae.training.checkpoint import Checkpoint
from pimvae.training.choice import Gain, choose, pays
from pimvae.training.compiled import Compiled
from pimvae.training.loop import Trainer
from pimvae.training.program import Program

SEEDS = [0, 3]
compiles = pytest.mark.skipif(not takes_compilers(torch.__file__), reason="torch lies in a path with a space")
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-10}, torch.float32: {"rtol": 1e-4, "atol": 1e-4}}


@pytest.fixture(scope="session")
def kernels(tmp_path_factory):
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(autouse=True)
def places(kernels, tmp_path, monkeypatch):
    """Nothing is kept where the user's own runs would find it; kernels are shared by tests."""
    monkeypatch.setenv(compiled.KERNELS, str(kernels))
    monkeypatch.setenv(compiled.WORKERS, "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def trainer(aggregator, objective, compile_, dtype, **changes):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        cell = training_cell(aggregator, objective, compile=compile_, **changes)
        models = [build_model(cell.model, DIMS, MAX_DIM, ("gaussian",) * 3, 0.7, seed) for seed in SEEDS]
        return Trainer(cell, models, [training_data(seed).to(dtype) for seed in SEEDS], SEEDS, [1.0, 0.5])
    finally:
        torch.set_default_dtype(before)


def assert_near(aggregator, objective, dtype):
    """Loss, terms and gradient of two batches; between them the parameters change where they lie."""
    pair = [trainer(aggregator, objective, compile_, dtype) for compile_ in ("always", "never")]
    torch.set_default_dtype(dtype)
    for batch in range(2):
        results = []
        for member in pair:
            if batch == 0:
                member.start_epoch(member.streams.permutation(member.data.size))
            rows = slice(batch * member.batch_size, (batch + 1) * member.batch_size)
            x, observed = member.data.batch(rows)
            results.append(member.program(member.stack.flat, x, observed, *member._draw(observed), member.beta))
        mine, its = results
        torch.testing.assert_close(mine.loss, its.loss, **TOLERANCE[dtype])
        torch.testing.assert_close(mine.gradient, its.gradient, **TOLERANCE[dtype])
        assert mine.terms.keys() == its.terms.keys()
        for name, value in its.terms.items():
            torch.testing.assert_close(mine.terms[name], value, **TOLERANCE[dtype])
        for member in pair:
            member.stack.flat.data += 0.01
    assert [member.program.form for member in pair] == ["compiled", "replayed"]


@pytest.fixture
def default_type():
    before = torch.get_default_dtype()
    yield
    torch.set_default_dtype(before)


@compiles
@pytest.mark.usefixtures("default_type")
@pytest.mark.parametrize(("aggregator", "dtype"), [("poe", torch.float64), ("sum_pooling", torch.float32)], ids=str)
def test_a_compiled_step_is_the_replayed_one_but_for_rounding(aggregator, dtype):
    assert_near(aggregator, "masked", dtype)


@pytest.mark.skipif("PIMVAE_COMPILE_EVERY_BOUND" not in os.environ, reason="half a minute each: for a nightly run")
@pytest.mark.usefixtures("default_type")
@pytest.mark.parametrize(
    ("aggregator", "objective", "dtype"),
    [("moe", name, torch.float64) for name in registry.names("objectives")]
    + [("self_attention", "masked", torch.float32), ("private_sum_pooling", "masked", torch.float64)],
    ids=str,
)
def test_so_it_is_under_every_bound(aggregator, objective, dtype):
    assert_near(aggregator, objective, dtype)


@pytest.mark.usefixtures("default_type")
@pytest.mark.parametrize("objective", registry.names("objectives"))
def test_torch_compile_takes_the_graph_of_every_bound(objective, monkeypatch):
    """Its front end and its decompositions, without kernels."""
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *args, **keys: compile_(*args, backend="aot_eager", **keys))
    assert_near("moe", objective, torch.float64)


@compiles
@pytest.mark.usefixtures("default_type")
def test_a_compiled_training_goes_on_from_its_checkpoint(tmp_path):
    """To the same bits, and near the replayed one."""
    torch.set_default_dtype(torch.float64)
    whole, first, second, replayed = (
        trainer("poe", "masked", compile_, torch.float64, steps=6) for compile_ in ("always", "always", "auto", "never")
    )
    whole.run()
    first.advance(4)
    checkpoint = Checkpoint(tmp_path / "c", "identity", strict=True)
    # What was chosen before stays, also where another choice would be made.
    assert checkpoint.write(first) and checkpoint.resume(second)
    second.run()
    replayed.run()
    assert second.program.form == "compiled"
    assert torch.equal(second.stack.flat, whole.stack.flat)
    torch.testing.assert_close(whole.stack.flat, replayed.stack.flat, rtol=0, atol=1e-6)


def losses(flat, x):
    return (flat.square() * x).sum(1), {"sum": flat.sum(1)}


def test_without_a_compiler_the_step_is_replayed_and_one_line_says_so(capsys):
    import torch._inductor.config as inductor

    program, usual, flat, x = Program(losses, choice="always"), Program(losses), normal(2, 7), normal(2, 7, seed=1)
    with inductor.patch("cpp.cxx", ("no-such-compiler",)):
        mine = program(flat, x)
    assert torch.equal(mine.gradient, usual(flat, x).gradient) and program.form == "replayed"
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("pimvae: note: the step is not compiled but replayed: ")
    assert re.search(r"C\+\+ compiler|no-such-compiler|path with a space", told)


def test_a_step_that_changes_a_tensor_is_not_compiled(capsys):
    def step(x):
        return [x.clone().add_(1.0)]

    assert choose("always", 1, lambda *_: step, step, [normal(3)]) is step
    assert "in place (aten.add_.Tensor)" in capsys.readouterr().err


def test_compiling_pays_where_it_saves_more_than_it_takes():
    gain = Gain(ratio=0.75, seconds=60.0)
    assert pays(24_001, 0.01, gain) and not pays(23_999, 0.01, gain)
    assert not pays(10**9, 1.0, Gain(1.1, 60.0))


@pytest.fixture
def machine(monkeypatch):
    """A machine where a replayed step takes 10 ms, a compiled one 6, and compiling no time; counts compilations."""

    class Fake(Compiled):
        made = 0

        def __init__(self, function, *inputs, fixed):
            Fake.made += 1

    monkeypatch.setattr(choice, "Compiled", Fake)
    monkeypatch.setattr(choice, "_seconds", lambda operations, inputs: 0.006 if isinstance(operations, Fake) else 0.01)
    return Fake


def plain(*inputs):
    return list(inputs)


def chosen(calls, setting="auto"):
    return choose(setting, calls, lambda *_: plain, plain, [normal(3)])


def test_what_compiling_brings_is_measured_once_by_the_first_long_training(machine, places):
    path = places / "pimvae" / choice.FILE
    assert chosen(1999) is plain and not path.exists()  # 20 seconds
    assert isinstance(chosen(2001), machine) and machine.made == 1
    ((name, found),) = json.loads(path.read_text()).items()
    assert found["ratio"] == pytest.approx(0.6) and torch.__version__ in name
    path.write_text(json.dumps({name: {"ratio": 0.5, "seconds": 50.0}, "another": {}}))
    assert chosen(9_999) is plain and machine.made == 1
    assert isinstance(chosen(10_001), machine) and machine.made == 2
    assert chosen(10**9, "never") is plain and isinstance(chosen(1, "always"), machine)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"NAME": 3}', '{"NAME": {"ratio": "x", "seconds": 1}}'])
def test_a_damaged_file_is_measured_anew(machine, places, content):
    path = places / "pimvae" / choice.FILE
    path.parent.mkdir()
    path.write_text(content.replace("NAME", choice._machine(normal(1))))
    assert isinstance(chosen(2001), machine)
    assert choice._known(normal(1)).ratio == pytest.approx(0.6)


def test_where_nothing_can_be_kept_it_is_measured_every_time(machine, places, monkeypatch):
    (places / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(places / "file"))
    assert compiled.cache_folder() is None
    assert all(isinstance(chosen(2001), machine) for _ in range(2)) and machine.made == 2


def test_kernels_are_kept_in_the_users_cache_unless_torch_was_told_where(places, kernels, monkeypatch):
    import os

    compiled._keep_kernels()
    assert os.environ[compiled.KERNELS] == str(kernels)
    monkeypatch.delenv(compiled.KERNELS)
    compiled._keep_kernels()
    assert os.environ[compiled.KERNELS] == str(places / "pimvae" / "kernels")


def test_settings_that_change_nothing_are_not_recorded():
    """Runs and checkpoints of before there were these settings are those of their defaults."""
    plain, other = (TrainConfig(steps=1, batch_size=1, **changes) for changes in ({}, {"compile": "auto"}))
    assert not {"compile", "precision"} & plain.model_dump(mode="json").keys()
    assert TrainConfig(**plain.model_dump()) == plain
    assert other.model_dump()["compile"] == "auto" and TrainConfig(**other.model_dump()) == other


def test_a_path_with_a_space_is_the_reason_where_torch_lies_in_one(monkeypatch):
    monkeypatch.setattr(torch, "__file__", "/home/me/my project/torch/__init__.py")
    assert compiled._reason(RuntimeError("C++ compile error")).endswith("with a space, /home/me/my project/torch")


def test_a_cache_in_a_path_with_a_space_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.delenv(compiled.KERNELS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "my cache"))
    compiled._keep_kernels()
    assert compiled.KERNELS not in os.environ
