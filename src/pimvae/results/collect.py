"""Join the results of all cells of one scale into four tables."""

__all__ = ["run"]

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pimvae.chain import check_file, check_metrics, read_record
from pimvae.errors import UserError
from pimvae.results.collected import seal_collected
from pimvae.results.files import CELL, COLUMNS, final, read_csv, read_metrics, write_frame

NOT_RUN = "the cell has not been run"
RULES = "claims_sha256"  # of the file of claims at the time of the training
SETTINGS = ("cell", "versions")  # parts of run.json that the paper quotes


def run(cell_dirs: Sequence[Path | str], out_dir: Path | str, references: Sequence[Path | str] = ()) -> None:
    """Write ``metrics.csv``, ``runs.csv``, ``history.csv`` and ``settings.csv`` to ``out_dir``.

    Args:
        cell_dirs: folders of cells; each holds ``metrics.csv``, ``history.csv`` and ``run.json``.
        out_dir: folder of the scale, ``results/<scale>``.
        references: tidy metrics that are no cell's: log-likelihoods under true models, from which the metric
            ``ceiling_gap`` is computed, and accuracies of classifiers.

    Raises:
        UserError: if a file is missing, broken, not as it was written or of another cell, or two cells have the same
            keys.
    """
    metrics, runs, history, settings = [], [], [], []
    rules: set[tuple[str, str | None]] = set()
    trained: dict[tuple[str, str], Any] = {}  # checksums of the data, by experiment and data set
    for folder in sorted(map(Path, cell_dirs)):
        frame, record = _cell_files(folder)
        keys = _keys(frame, folder)
        _check_replicas(frame, record, keys, folder)
        trained[keys["experiment"], keys["dataset"]] = record.get("data_sha256")
        metrics.append(frame)
        history.append(_with_keys(read_csv(folder / "history.csv", [], NOT_RUN), keys))
        runs.append({**keys, **_run_row(record, folder / "run.json")})
        settings.extend({**keys, "key": key, "value": value} for key, value in _settings(record, folder / "run.json"))
        if (keys["experiment"], record.get(RULES)) not in rules:  # one set for all cells with the same rules
            rules.add((keys["experiment"], record.get(RULES)))
            settings.append({**keys, "key": RULES, "value": record.get(RULES, "none")})
            settings.extend({**keys, "key": f"claims.{name}", "value": digest}
                            for name, digest in record.get("claims", {}).items())  # fmt: skip
    out = Path(out_dir)
    joined = pd.concat([*metrics, *(_reference(Path(path), trained) for path in references)], ignore_index=True)
    _refuse_duplicates(joined)
    joined = pd.concat([joined, _ceiling_gaps(joined)], ignore_index=True)
    write_frame(out / "metrics.csv", joined)
    write_frame(out / "history.csv", pd.concat(history, ignore_index=True))
    write_frame(out / "runs.csv", pd.DataFrame(runs))
    write_frame(out / "settings.csv", pd.DataFrame(settings))
    seal_collected(out, map(Path, cell_dirs))


def _reference(path: Path, trained: Mapping[tuple[str, str], Any]) -> pd.DataFrame:
    """Metrics that are no cell's, computed from the data that the cells were trained on."""
    frame = read_metrics(path, NOT_RUN, whole=True)
    known = check_metrics(path).get("data_sha256", {})
    for key in frame[["experiment", "dataset"]].drop_duplicates().itertuples(index=False, name=None):
        data = trained.get(key)
        if isinstance(data, dict) and any(data.get(seed, digest) != digest for seed, digest in known.items()):
            raise UserError(f"{path} was computed from other data than the cells of '{key[1]}': make it again")
    return frame


def _cell_files(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Metrics and record of one cell that belong together, as its curves and pictures do.

    The record has the settings of this evaluation.
    """
    frame = read_metrics(folder / "metrics.csv", NOT_RUN, whole=True)
    record = read_record(folder)
    seal = check_metrics(folder / "metrics.csv", folder / "run.json")
    check_file(folder / "history.csv", record.get("history_sha256"), "train the cell again")
    check_file(folder / "examples.npz", seal.get("examples_sha256"), "evaluate the cell again")
    if isinstance(record["cell"], dict) and seal.get("evaluation"):
        record = record | {"cell": record["cell"] | {"evaluation": seal["evaluation"]}}
    return frame, record


def _check_replicas(frame: pd.DataFrame, record: dict[str, Any], keys: dict[str, Any], folder: Path) -> None:
    """Refuse metrics of another cell than the run's, or of other replicas than it trained."""
    path, found = folder / "metrics.csv", final(frame)
    try:
        cell, members = record["cell"], record["replicas"]
        model = cell["model"]
        names = (cell["experiment"], cell["dataset"], model["aggregator"], cell["objective"]["name"],
                 model.get("prior", "standard"))  # fmt: skip
        trained = sorted((int(member["seed"]), float(member["beta"])) for member in members)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder / 'run.json'} is not the record of a run: {error!r}") from None
    differing = [key for key, name in zip(CELL, names, strict=True) if keys[key] != name]
    if differing:
        raise UserError(f"{path} is of another cell than {folder / 'run.json'} (differs in: {', '.join(differing)})")
    measured = sorted(set(zip(found["seed"].astype(int), found["beta"].astype(float), strict=True)))
    if measured != trained:
        raise UserError(f"{path} holds {len(measured)} replicas, {len(trained)} were trained: evaluate the cell again")


def _keys(frame: pd.DataFrame, folder: Path) -> dict[str, Any]:
    distinct = frame.loc[frame["baseline"] == "", CELL].drop_duplicates()
    if len(distinct) != 1:
        raise UserError(f"{folder / 'metrics.csv'} holds {len(distinct)} cells, expected one")
    return distinct.iloc[0].to_dict()


def _ceiling_gaps(metrics: pd.DataFrame) -> pd.DataFrame:
    """``ceiling_gap``: log-likelihood under the true model minus that of a replica, same seed, split and samples.

    Data sets of different seeds differ in how likely they are at best, by more than models differ: the gap does not.
    """
    same = ["experiment", "dataset", "seed", "split", "subset"]
    best = metrics.loc[metrics["metric"] == "llh_ceiling", [*same, "value"]].rename(columns={"value": "best"})
    reached = metrics[metrics["metric"] == "llh"].merge(best, on=same)
    return reached.assign(metric="ceiling_gap", value=reached["best"] - reached["value"])[COLUMNS]


def _with_keys(frame: pd.DataFrame, keys: dict[str, Any]) -> pd.DataFrame:
    rest = [column for column in frame if column not in keys]
    return frame.assign(**keys)[[*CELL, *rest]]


def _refuse_duplicates(metrics: pd.DataFrame) -> None:
    twice = metrics[metrics.duplicated([column for column in COLUMNS if column != "value"])]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(f"metric '{row['metric']}' of {row['dataset']}, {row['aggregator']}, {row['objective']}, "
                        f"seed {row['seed']} occurs twice")  # fmt: skip


def _run_row(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """Sizes, times and counts of one run: ``ms_per_step`` is per replica; counts are over all replicas."""
    try:
        replicas, entries = record["replicas"], record["steps"] * record["parameters"]  # padding is never clipped
        timed = record["timed_replica_steps"]  # a run that went on from a checkpoint has timed a part of its steps
        loop = record["times"]["loop_cpu_seconds" if record.get("processes", 1) > 1 else "loop_seconds"]
        clipped = [replica["clipped_entries"] / entries for replica in replicas]
        device = f"{record['device']} ({record['device_name']})"
        return {
            "parameters": record["parameters"], "steps": record["steps"], "replicas": len(replicas),
            "ms_per_step": 1e3 * loop / timed if timed else float("nan"),
            "seconds": record["times"]["seconds"], "device": device, "threads": record["threads"],
            "clipped_fraction": sum(clipped) / len(clipped),
            "nonfinite": sum(replica["nonfinite_entries"] for replica in replicas),
            "diverged": sum(bool(replica["diverged"]) for replica in replicas),
            "memory_mib": record.get("peak_memory_mib", float("nan")),
        }  # fmt: skip
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(f"{path} is not the record of a run: {error!r}") from None


def _settings(record: dict[str, Any], path: Path) -> Iterator[tuple[str, str]]:
    for part in SETTINGS:
        if not isinstance(record.get(part, {}), dict):
            raise UserError(f"{path} is not the record of a run: '{part}' is no mapping")
        yield from _flat(record.get(part, {}), f"{part}.")


def _flat(record: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of a nested record as (dotted key, text); lists are one leaf, joined by spaces."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", " ".join(map(str, value)) if isinstance(value, list) else str(value)
