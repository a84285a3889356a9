"""The pictures that the README shows: figures of the report as PNG, small enough for version control."""

__all__ = ["PICTURES", "draw_comparison", "write_pictures", "write_small"]

from io import BytesIO
from pathlib import Path

from matplotlib.figure import Figure

from pimvae.files import replacing
from pimvae.registry import lookup
from pimvae.report.job import CLAIM_ENTRIES
from pimvae.report.source import Verdicts
from pimvae.results.files import read_csv

PICTURES = {  # figure: what a reader is told who does not see it
    "f9_claims": "effects and verdicts of claims",
    "f6_masked": "conditional generation under the masked bound",
}
LARGEST = 300_000  # bytes
RESOLUTIONS = (150, 120, 100, 80, 60)  # dots per inch; the finest that fits is taken
PALETTE = 128  # colours: photographs need a third of the bytes, and more pixels show more than more colours do


def write_pictures(run: Verdicts, out_dir: Path) -> list[Path]:
    """Draw every picture of ``PICTURES`` from the results and verdicts of a run into ``out_dir``; returns the paths."""
    written = []
    for name in PICTURES:
        drawing = lookup("report.figures", name)
        table = drawing.data(run.judgements if name in CLAIM_ENTRIES else run.results)
        written.append(write_small(drawing.plot(table), out_dir / f"{name}.png"))
    return written


def write_small(drawn: Figure, path: Path) -> Path:
    """Write a figure as PNG of ``PALETTE`` colours and at most ``LARGEST`` bytes, as fine as that allows; close it."""
    import matplotlib.pyplot as plt
    from PIL import Image

    for dpi in RESOLUTIONS:
        with replacing(path) as temporary, BytesIO() as full:
            drawn.savefig(full, format="png", dpi=dpi, metadata={"Software": None})
            few = Image.open(full).convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE)
            few.save(temporary, format="png", optimize=True)
        if path.stat().st_size <= LARGEST:
            break
    plt.close(drawn)
    return path


def draw_comparison(folder: Path, out_dir: Path, machines: str) -> str:
    """Draw the comparison in ``folder/compare.csv`` into ``out_dir/compare.png``; returns its outcome in a sentence.

    Raises:
        UserError: if ``folder`` holds no comparison.
    """
    from pimvae.report.comparison_view import equal_numbers, figure_of

    numbers = read_csv(folder / "compare.csv", ["verdict"], "compare the two runs first")
    write_small(figure_of(numbers), out_dir / "compare.png")
    return f"{machines}: {equal_numbers(numbers)} (to a relative 10⁻⁶)."
