"""Configuration: the grids are what the experiments are, and every mistake is told in one line that helps."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pimvae import registry
from pimvae.config import find_cell, load
from pimvae.config.scale import resolve_scale
from pimvae.errors import UserError
from pimvae.objectives._base import as_objective

CONFIG = Path(__file__).parents[1] / "config"
EXPERIMENTS = sorted(path.stem for path in (CONFIG / "experiments").glob("*.yaml"))
SCALES = ["smoke", "laptop", "workstation", "paper"]
LISTS = ("datasets", "aggregators", "objectives", "priors")  # of a grid, every combination of which is a cell
PUBLISHED = ("poe", "poe_plus", "moe_plus", "sum_pooling", "self_attention")  # with all β at every scale
# Data sets that a scale leaves out.
EXCLUDED = {("laptop", "multimodal"): {"laplace"}, ("laptop", "aggregators"): {"views_half"}}


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    shutil.copytree(root / "config", tmp_path / "config")
    return tmp_path


def edit(copy: Path, file: str, old: str, new: str) -> None:
    path = copy / "config" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_scale_has_the_whole_grid(root, scale, experiment):
    grids = yaml.safe_load((CONFIG / "experiments" / f"{experiment}.yaml").read_text())["grids"]
    count = sum(math.prod(len(grid.get(key, ["standard"])) for key in LISTS) for grid in grids)
    cells, left_out = load(scale, root, [experiment]).cells, EXCLUDED.get((scale, experiment), set())
    wanted = [cell.name for cell in load("paper", root, [experiment]).cells]
    assert len(wanted) == len(set(wanted)) == count
    assert [cell.name for cell in cells] == [name for name in wanted if name.partition("-")[0] not in left_out]


def test_experiments_beyond_the_publication_are_part_of_the_paper_scale(root):
    publication, beyond = ["linear", "bimodal", "multimodal", "images"], ["aggregators", "audit", "scaling"]
    assert list(load("paper", root).experiments) == publication + beyond
    assert list(load("laptop", root).experiments) == publication
    assert list(load("laptop", root, beyond=True).experiments) == publication + beyond


def test_arms_of_the_audit_differ_in_their_switches_alone(root):
    cells = {cell.name: cell for cell in load("paper", root, ["audit"]).cells}
    corrected, every = (cells[f"views_{arm}-sum_pooling-masked"] for arm in ("corrected", "all"))
    assert (corrected.objective.subset_law, every.objective.subset_law) == ("uniform_size", "independent")
    assert (corrected.train.noise_reuse, every.train.noise_reuse) == (False, True)
    assert (corrected.data.split, every.data.split) == ("random", "cluster_ordered")
    assert corrected.data.draws == every.data.draws == "published" and every.data.missing_rate == 0.5
    same = {"model", "evaluation", "seeds"}
    assert corrected.model_dump(include=same) == every.model_dump(include=same)
    single = [cells[f"views_{arm}-poe-masked"] for arm in ("subsets", "noise", "split")]
    before = cells["views_corrected-poe-masked"].model_dump(exclude={"dataset"})
    for cell in single:
        after = cell.model_dump(exclude={"dataset"})
        assert sum(before[part][key] != after[part][key] for part in ("data", "objective", "train") for key in
                   before[part]) == 1  # fmt: skip


def test_published_baselines_have_the_aggregator_of_their_publication(root):
    cells = load("smoke", root, ["bimodal", "multimodal", "images"]).cells
    entries = {name: as_objective(registry.lookup("objectives", name)) for name in registry.names("objectives")}
    found = {(cell.experiment, cell.objective.name) for cell in cells if entries[cell.objective.name].aggregator}
    for cell in cells:
        wanted = entries[cell.objective.name].aggregator
        assert wanted in (None, cell.model.aggregator), cell.name
        assert wanted is None or cell.objective.betas == (1.0,), cell.name
    everywhere = {"mmvae", "mmvae_looser", "mopoe", "mopoe_looser", "mvtcae", "mmvm"}
    assert {(experiment, name) for experiment in ("bimodal", "multimodal", "images") for name in everywhere} <= found
    assert {experiment for experiment, name in found if name == "mmvae_plus"} == {"multimodal", "images"}


def test_images_have_shared_and_private_latents_of_one_size(root):
    for scale in SCALES:
        for cell in load(scale, root, ["images"]).cells:
            model = cell.model
            assert model.latent + 3 * model.private_latent == 40
            assert (model.private_latent > 0) == model.aggregator.startswith("private_")
            assert (model.noise_scale, model.likelihood_weights) == (0.75, "balanced")
            grid = cell.objective.name in ("masked", "mixture")
            grid &= scale not in ("laptop", "workstation") or model.aggregator in PUBLISHED
            assert cell.objective.betas == ((0.1, 1.0, 4.0) if grid else (1.0,)) and cell.data.kind == "images"
            assert model.networks == ("image_conv" if scale == "paper" else "image_mlp")


def test_laplace_sources_have_laplace_models(root):
    for cell in load("paper", root, ["multimodal"]).cells:
        laplace = cell.dataset == "laplace"
        assert (cell.data.source, cell.model.family) == (("laplace",) * 2 if laplace else ("gaussian",) * 2)


def test_linear_grid_is_that_of_the_publication(root):
    cells = {cell.name: cell for cell in load("paper", root, ["linear"]).cells}
    bounds, schemes = ["masked", "mixture"], ["poe", "poe_published", "moe", "sum_pooling", "self_attention"]
    shared = {f"{d}-{a}-{o}" for d in ("dense", "sparse", "digits") for a in schemes for o in bounds}
    private = {f"sparse-private_{a}-{o}" for a in ("poe", "sum_pooling", "self_attention") for o in bounds}
    assert shared | private <= set(cells)  # what else is there was added
    for name in sorted(shared | private):
        cell = cells[name]
        latent = {"dense": (5, 0), "sparse": (5, 5) if name in private else (30, 0), "digits": (16, 0)}[cell.dataset]
        assert (cell.model.latent, cell.model.private_latent) == latent
        assert (cell.train.steps, cell.train.batch_size, cell.train.learning_rate) == (40000, 500, 0.001)
        assert cell.train.clip == 100
        assert cell.model.encoder_widths == (256, 256)
        assert cell.model.pooling_width == 256
        assert cell.seeds == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("scale", SCALES)
def test_cells_of_one_data_set_share_data_and_seeds(root, scale):
    config = load(scale, root, EXPERIMENTS)
    for dataset in config.datasets:
        cells = [cell for cell in config.of(dataset.experiment) if cell.dataset == dataset.name]
        assert {(cell.data, cell.seeds) for cell in cells} == {(dataset.data, dataset.seeds)}
        # The likelihood under the true model is that of the samples on which every cell reports its own.
        assert {cell.evaluation.llh_samples for cell in cells} == {dataset.evaluation.llh_samples}


def test_layers_lie_over_each_other_in_their_order(copy):
    edit(copy, "experiments/linear.yaml", "  clip: 100", "  clip: 100\n  history_every: 7")
    edit(copy, "scales/smoke.yaml", "  seeds: 2", "  seeds: [3, 5]\n  datasets: {digits: {train: {steps: 9}}}")
    cells = {cell.name: cell for cell in load("smoke", copy, ["linear"]).cells}
    dense, digits = cells["dense-moe-masked"].train, cells["digits-moe-masked"].train
    assert (dense.steps, digits.steps) == (4, 9)  # the data set's section of the scale goes last
    assert (dense.history_every, dense.clip) == (2, 100)  # the scale goes over the experiment, which stays below
    assert cells["sparse-private_poe-masked"].model.latent == 5  # the grid goes over the data set
    assert cells["dense-moe-masked"].seeds == (3, 5)


SCALE, GRID = "scales/smoke.yaml", "experiments/linear.yaml"
MISTAKES = {
    "unknown key": (SCALE, "steps: 4", "stps: 4", "'linear.train.stps'", "did you mean 'steps'?"),
    "negative": (SCALE, "steps: 4", "steps: -4", "'linear.train.steps'", "got -4"),
    "not a number": (SCALE, "steps: 4", "steps: many", "'linear.train.steps'", "got 'many'"),
    "in a list": (SCALE, "[16, 16]", "[16, 0]", "'linear.model.encoder_widths.1'", "greater than 0"),
    "key twice": (SCALE, "steps: 4", "steps: 4\n    steps: 5", "line ", "'steps' twice"),
    "no YAML": (SCALE, "steps: 4", "steps: [4", "smoke.yaml", "line "),
    "no seeds": (SCALE, "seeds: 2", "seeds: []", "'linear.seeds'", "got []"),
    "experiment": (SCALE, "linear:", "linar:", "unknown experiment 'linar'", "did you mean 'linear'?"),
    "data set": (SCALE, "seeds: 2", "seeds: 2\n  datasets: {digts: {}}", "'digts'", "did you mean 'digits'?"),
    "left out": (SCALE, "seeds: 2", "seeds: 2\n  exclude: [digts]", "'digts'", "did you mean 'digits'?"),
    "batch": (SCALE, "samples: 256", "samples: 16", "batch_size 32", "data.samples 16"),
    "one draw": (SCALE, "draws: 8", "draws: 1", "data set 'dense'", "evaluation.draws must be at least 2"),
    "value": (GRID, "loading: dense", "loading: dens", "loading'", "did you mean 'dense'?"),
    "kind": (GRID, "kind: digits", "kind: digit", "kind'", "did you mean 'digits'?"),
    "no kind": (GRID, "{kind: digits}", "{}", "data set 'digits'", "lacks the key 'kind'"),
    "other kind's key": (GRID, "kind: digits", "kind: digits, modalities: 3", "'data.modalities'", "known: kind"),
    "union": (GRID, "noise_scale: data", "noise_scale: dat", "noise_scale'", "did you mean 'data'?"),
    "aggregator": (GRID, "[poe,", "[peo,", "unknown aggregator 'peo'", "did you mean 'poe'?"),
    "objective": (GRID, "[masked,", "[maskd,", "unknown objective 'maskd'", "did you mean 'masked'?"),
    "grid's data set": (GRID, "datasets: [sparse]", "datasets: [sprse]", "'sprse'", "did you mean 'sparse'?"),
    "duplicate": (GRID, "[private_poe,", "[private_poe, poe,", "same cell", "'sparse-poe-masked'"),
    "grid's choice": (GRID, "decoder: linear", "aggregator: poe", "unknown key 'model.aggregator'", "known: "),
    "missing": (GRID, "model: {latent: 5}", "model: {}", "data set 'dense'", "'model.latent' is missing"),
    "device": ("config.yaml", "device: auto", "device: gpu", "'device' must be 'auto', 'cpu' or 'cuda'", "got 'gpu'"),
    "one number": ("config.yaml", "betas: null", "betas: 1", "'betas' must be a valid list", "got 1: write [1]"),
    "one name": (GRID, "datasets: [sparse]", "datasets: sparse", "'grids.1.datasets' must be", "write [sparse]"),
    "no mapping": ("scales/smoke.yaml", "linear:\n", "linear: 3\nx:\n", "'linear' must be a mapping of keys", "got 3"),
    "settings": ("config.yaml", "scale: auto", "scal: auto", "unknown key 'scal'", "did you mean 'scale'?"),
    "no experiment": ("config.yaml", "[linear,", "[liner,", "unknown experiment 'liner'", "did you mean 'linear'?"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "old", "new", "names", "helps"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_line(copy, file, old, new, names, helps):
    edit(copy, file, old, new)
    with pytest.raises(UserError) as caught:
        load("smoke", copy)
    message = str(caught.value)
    assert "\n" not in message
    assert names in message
    assert helps in message
    if file != "config.yaml":
        assert file in message


GIVEN = {
    "key": ({"scael": "smoke"}, "unknown key 'scael'", "did you mean 'scale'?"),
    "device": ({"device": "gpu"}, "'device' must be 'auto', 'cpu' or 'cuda'", "got 'gpu'"),
    "list": ({"experiments": "linear"}, "'experiments' must be a list, got 'linear'", "'experiments=[linear]'"),
    "list of numbers": ({"betas": 1}, "'betas' must be a list, got '1'", "write 'betas=[1]'"),
    "no entry": ({"betas": []}, "'betas' must have at least 1 entry", "got []"),
}


@pytest.mark.parametrize(("change", "names", "helps"), GIVEN.values(), ids=GIVEN)
def test_a_mistake_on_snakemakes_command_line_is_not_blamed_on_the_file(root, change, names, helps):
    with pytest.raises(UserError) as caught:
        load(root=root, settings={"experiments": ["linear"], **change})
    message = str(caught.value)
    assert message.startswith("--config or config/config.yaml: ")
    assert names in message and message.endswith((helps, f"{helps})"))  # no word of 'cpu' after 'gpu'


@pytest.mark.parametrize("file", ["config.yaml", "scales/smoke.yaml", "experiments/linear.yaml"])
@pytest.mark.parametrize("content", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_called_empty(copy, file, content):
    (copy / "config" / file).write_text(content)
    with pytest.raises(UserError, match=re.escape(f"{file}: the file is empty") + "$"):
        load("smoke", copy)


def test_a_section_without_content_is_called_empty(copy):
    (copy / "config" / "scales" / "smoke.yaml").write_text("linear:\n")
    with pytest.raises(UserError, match=r"smoke\.yaml: 'linear' is empty$"):
        load("smoke", copy)


def test_a_file_of_another_encoding_says_what_to_do(copy):
    (copy / "config" / "config.yaml").write_bytes("scale: é\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"not UTF-8: .*: save it as UTF-8"):
        load("smoke", copy)


def test_a_folder_is_no_configuration(copy):
    (copy / "config" / "config.yaml").unlink()
    (copy / "config" / "config.yaml").mkdir()
    with pytest.raises(UserError, match="is a folder, expected a YAML file"):
        load("smoke", copy)


def test_a_scale_that_is_not_there(root):
    with pytest.raises(UserError, match=r"unknown scale 'smok' \(known: .*, smoke, workstation; did you mean 'smoke'"):
        load("smok", root)
    with pytest.raises(UserError, match=r"no such configuration file: .*config\.yaml: run it in the repo.*--root"):
        load("smoke", root / "src")


def test_a_cell_that_is_not_there_shows_the_nearest(root):
    config = load("smoke", root, ["linear"])
    assert find_cell(config, "linear", "dense-poe-masked").model.aggregator == "poe"
    with pytest.raises(UserError, match=r"no cell 'dense-poe-maskd' \(nearest: dense-poe-masked,"):
        find_cell(config, "linear", "dense-poe-maskd")
    with pytest.raises(UserError, match="unknown experiment 'bimodal'"):
        find_cell(config, "bimodal", "x")


def test_a_run_of_some_betas_has_the_cells_that_have_them(root, copy):
    whole = load("paper", root, ["bimodal"]).cells
    one, tenth = (load("paper", root, ["bimodal"], betas=[beta]).cells for beta in (1, 0.1))
    assert [cell.name for cell in one] == [cell.name for cell in whole]  # published baselines have β = 1 alone
    assert [cell.name for cell in tenth] == [cell.name for cell in whole if len(cell.objective.betas) == 2]
    for narrow, beta in ((one, 1.0), (tenth, 0.1)):
        as_before = [cell for cell in whole if beta in cell.objective.betas]
        assert [cell.model_dump(exclude={"objective"}) for cell in narrow] == [
            cell.model_dump(exclude={"objective"}) for cell in as_before
        ]
        assert {cell.objective.betas for cell in narrow} == {(beta,)}
    with pytest.raises(UserError, match=r"unknown β '2.0' \(known: 0.1, 1.0"):
        load("paper", root, ["bimodal"], betas=[1, 2])
    edit(copy, "config.yaml", "betas: null", "betas: [0.1]")
    assert load("paper", copy, ["bimodal"]).cells == tenth
    # On Snakemake's command line, numbers in a list are texts.
    given = {"experiments": ["bimodal"], "betas": ["0.1"]}
    config = load("paper", root, ["bimodal"], settings=given)
    assert config.cells == tenth
    assert config.headline().endswith("20 cells, β = 0.1 only")


@pytest.mark.parametrize(("device", "scale"), [("cpu", "laptop"), ("cuda", "workstation")])
def test_auto_scale_follows_the_device(root, device, scale):
    assert resolve_scale("auto", device)[0] == scale
    config = load("auto", root, settings={"device": device, "experiments": ["linear"]})
    assert (config.scale, config.device) == (scale, device)
    assert config.headline().startswith(f"scale: {scale} (")


def test_loading_imports_no_heavy_package(root):
    heavy = {"torch", "pandas", "scipy", "matplotlib", "sklearn"}
    code = f"import sys; from pimvae.config import load; load('smoke', {str(root)!r}); print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "pimvae.config.experiments" in done.stdout.split()
    assert not heavy & set(done.stdout.split())
