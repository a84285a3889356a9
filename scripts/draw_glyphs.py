"""Draw the glyph atlas of the house numbers: the digits of 16 faces that matplotlib ships, as distance fields.

usage: python scripts/draw_glyphs.py [FILE]   (default: src/pimvae/data/_house_numbers.npz)

The atlas is stored because outlines differ between versions of matplotlib, and the images must not. Each glyph is a
signed distance to its outline (positive inside), in units of the digit's height, cut at ±LIMIT, of 63 levels, on a
grid whose centre is the centre of the glyph's box. From a distance field one atlas gives every stroke weight, blur
and outline. Faces: DejaVu (Bitstream Vera licence), STIX (SIL OFL) and Computer Modern (BaKoMa); what is stored are
pictures of ten digits, no font software.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath
from scipy.ndimage import distance_transform_edt

FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)
ROWS, COLUMNS, STEP = 34, 30, 1 / 24  # grid of a glyph; distance of its points in digit heights
LIMIT = 0.25
FINE = 8  # sub-pixels per grid step from which distances are measured
TARGET = Path(__file__).parents[1] / "src" / "pimvae" / "data" / "_house_numbers.npz"


def outline(face: str, digit: str) -> Outline:
    """Outline of a digit, centred, of height 1, y downwards."""
    font = FontProperties(fname=str(Path(get_data_path(), "fonts", "ttf", f"{face}.ttf")))
    path = TextPath((0, 0), digit, size=100, prop=font)
    box, height = path.get_extents(), TextPath((0, 0), "0", size=100, prop=font).get_extents().height
    centre = np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2
    vertices = (path.vertices - centre) / height * (1, -1)
    return Outline(vertices, path.codes).cleaned(curves=False)


def without_foot(glyph: np.ndarray) -> np.ndarray:
    """A "1" [rows, columns] (bool) whose foot is cut off: every row of the foot gets the stem of the rows above."""
    filled = np.flatnonzero(glyph.any(axis=1))
    height = filled[-1] - filled[0]
    stem = filled[0] + int(0.7 * height)
    cut = glyph.copy()
    shift = slant(glyph, filled[0] + int(0.55 * height), stem)
    for row in range(stem, filled[-1] + 1):
        cut[row] = np.roll(glyph[stem], round((row - stem) * shift))
    return cut


def bar(glyph: np.ndarray) -> np.ndarray:
    """A "1" [rows, columns] (bool) that is only its stem, from top to bottom."""
    filled = np.flatnonzero(glyph.any(axis=1))
    upper, stem = filled[0] + int(0.55 * np.ptp(filled)), filled[0] + int(0.7 * np.ptp(filled))
    shift, cut = slant(glyph, upper, stem), np.zeros_like(glyph)
    for row in filled:
        cut[row] = np.roll(glyph[stem], round((row - stem) * shift))
    return cut


def slant(glyph: np.ndarray, upper: int, lower: int) -> float:
    """Columns per row by which the stem moves between two rows."""
    first, last = np.flatnonzero(glyph[upper]).mean(), np.flatnonzero(glyph[lower]).mean()
    return (last - first) / (lower - upper)


def fill(path: Outline) -> np.ndarray:
    """Which fine pixels lie inside (even-odd over closed polygons), bool [ROWS·FINE, COLUMNS·FINE]."""
    y, x = np.mgrid[: ROWS * FINE, : COLUMNS * FINE]
    points = np.stack([x.ravel() + 0.5 - COLUMNS * FINE / 2, y.ravel() + 0.5 - ROWS * FINE / 2], 1) * STEP / FINE
    inside = np.zeros(len(points), dtype=bool)
    for polygon in path.to_polygons():
        inside ^= Outline(polygon).contains_points(points)
    return inside.reshape(ROWS * FINE, COLUMNS * FINE)


def distance_field(glyph: np.ndarray) -> np.ndarray:
    """Signed distance at the grid's points (centres of FINE × FINE blocks), uint8 [ROWS, COLUMNS]."""
    signed = (distance_transform_edt(glyph) - distance_transform_edt(~glyph)) * STEP / FINE
    middle = signed.reshape(ROWS, FINE, COLUMNS, FINE)[:, FINE // 2 - 1 : FINE // 2 + 1, :]
    middle = middle[:, :, :, FINE // 2 - 1 : FINE // 2 + 1].mean(axis=(1, 3))
    return (np.rint(np.clip(middle / LIMIT, -1, 1) * 31) * 4 + 128).astype(np.uint8)


def half_width(glyph: np.ndarray) -> float:
    """Half the width of a glyph, in digit heights."""
    return float(np.ptp(np.flatnonzero(glyph.any(axis=0))) + 1) / 2 * STEP / FINE


def draw() -> dict[str, np.ndarray]:
    """``fields`` uint8 [faces, 12, ROWS, COLUMNS] (0-9, "1" without foot, bare "1"), ``half_widths``, ``grid``."""
    fields, widths = [], []
    for face in FACES:
        glyphs = [fill(outline(face, digit)) for digit in "0123456789"]
        glyphs += [without_foot(glyphs[1]), bar(glyphs[1])]
        fields.append([distance_field(glyph) for glyph in glyphs])
        widths.append([half_width(glyph) for glyph in glyphs])
    grid = np.array([STEP, LIMIT], dtype=np.float32)
    return {"fields": np.array(fields), "half_widths": np.array(widths, dtype=np.float32), "grid": grid}


if __name__ == "__main__":
    np.savez_compressed(sys.argv[1] if len(sys.argv) > 1 else TARGET, **draw())
