"""What is written of own data sample by sample: latents and imputations, as tables or into AnnData."""

__all__ = ["encode", "impute"]

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from pimvae.data.modality import Modality
from pimvae.errors import UserError
from pimvae.files import replacing, write_csv
from pimvae.own.source import Source, all_samples, load_own, some_data

if TYPE_CHECKING:
    from pimvae.library import MultimodalVAE

FORMATS = (".csv", ".parquet")  # of tables


def encode(run: Path, source: Source | None, out: Path | None, seed: int | None, refined: bool | None) -> Path:
    """Posterior means and standard deviations of all samples, with their ids, as CSV, parquet or in ``obsm``."""
    path = out or run / "latents.csv"
    if path.suffix.lower() not in (*FORMATS, ".h5ad"):
        raise UserError(f"{path}: unknown format '{path.suffix}' (known: {', '.join(FORMATS)}; latents also .h5ad)")
    model = load_own(run, seed)
    data = all_samples(some_data(model, source))
    found = model.encode(data, refined=refined)
    if path.suffix.lower() == ".h5ad":
        return _into_units(path, source, model, found)
    width = found.mean.shape[1]
    header = ["id", *(f"z{k}" for k in range(width)), *(f"z{k}_sd" for k in range(width))]
    rows = [[i, *m, *s] for i, m, s in zip(found.ids, found.mean.tolist(), found.scale.tolist(), strict=True)]
    return _table(path, header, rows)


def impute(run: Path, source: Source | None, out: Path | None, seed: int | None, form: str = "csv") -> Path:
    """Every modality with what is missing predicted: a table each.

    Numbers have standard deviations, 0 where observed; classes have probabilities, 1 and 0 where observed.
    """
    model = load_own(run, seed)
    data = all_samples(some_data(model, source))
    folder = out or run / "imputed"
    headers = {modality.name: _header(modality) for modality in model.modalities}  # before the work, if one is refused
    prediction = model.predict(data)
    filled = model.filled(data, prediction)
    for modality in model.modalities:
        values, deviations = filled[modality.name]
        if modality.kind == "categorical":
            chances = _chances(modality, values, deviations, prediction[modality.name].mean)
            rows = [[i, v, *p] for i, v, p in zip(data.ids, values.tolist(), chances.tolist(), strict=True)]
        else:
            flat, spread = values.reshape(len(values), -1).tolist(), deviations.reshape(len(values), -1).tolist()
            rows = [[i, *v, *s] for i, v, s in zip(data.ids, flat, spread, strict=True)]
        _table(folder / f"{quote(modality.name, safe=' ')}.{form}", headers[modality.name], rows)
    return folder


def _header(modality: Modality) -> list[str]:
    """Names of the columns of an imputed table.

    Raises:
        UserError: if two would be the same.
    """
    names = list(modality.column_names())
    more = [f"{names[0]}={label}" for label in modality.classes] or [f"{name}_sd" for name in names]
    for name, count in Counter(header := ["id", *names, *more]).items():
        if count > 1:
            raise UserError(f"the table of '{modality.name}' would have two columns '{name}': rename that of the data")
    return header


def _chances(modality: Modality, labels: np.ndarray, deviations: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Probabilities of the classes [n, K]: 1 and 0 where the label is observed, which is where deviations are 0."""
    sure = np.array([[label == known for known in modality.classes] for label in labels.tolist()], dtype=float)
    return np.where(deviations.any(1, keepdims=True), predicted, sure)


def _table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    if path.suffix.lower() == ".csv":
        write_csv(path, header, [[_exact(value) for value in row] for row in rows])
    else:
        import pandas as pd

        try:
            with replacing(path) as temporary:
                pd.DataFrame(list(rows), columns=list(header)).to_parquet(temporary)
        except ImportError:
            raise UserError(f"{path}: writing parquet needs the package pyarrow: pip install pyarrow") from None
    return path


def _exact(value: Any) -> Any:
    """A float with all its digits, as text; whole numbers without a point."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else value


def _into_units(path: Path, source: Source | None, model: "MultimodalVAE", found: Any) -> Path:
    """The AnnData file of the data with the latents in ``obsm["X_pimvae"]``."""
    where = Path((source.paths if source else model.data_record["paths"])[0])
    if where.suffix.lower() != ".h5ad":
        raise UserError(f"{path}: latents go into a .h5ad file only where the data are one")
    try:
        from anndata import read_h5ad
    except ImportError:
        raise UserError(f"{path}: this format needs an extra: pip install -e '.[anndata]'") from None
    data = read_h5ad(where)
    data.obsm["X_pimvae"] = found.mean
    with replacing(path) as temporary:
        data.write_h5ad(temporary)
    return path
