"""Procedural house numbers: 32×32 RGB crops of street numbers in the manner of SVHN, the same bytes everywhere.

A picture is a digit of one of 16 faces on a wall or a plate, between neighbouring digits that the border cuts, turned,
sheared, blurred, unevenly lit and noisy. Only operations that IEEE 754 defines to the last bit are used (no exp, sin,
matrix product or floating-point sum), so that neither numpy's version nor the processor changes a byte.
"""

__all__ = ["SIDE", "house_numbers"]

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from pimvae.data._raster import Draws, interpolated, mixed_blur, noise, smooth_field, smooth_step

SIDE = 32
BLOCK = 100  # pictures that one generator draws: picture i is the same however many are asked for
DIGITS, FOOTLESS, BAR, NONE = 10, 10, 11, 12  # glyphs of a face: ten digits, "1" without foot, bare "1", nothing
SANS = (0, 1, 14)  # upright faces without serifs: most house numbers are like them


class Atlas(NamedTuple):
    """Glyphs as signed distances to their outlines, in digit heights, positive inside.

    ``fields`` [13 · faces, row, column], ``half_widths`` [13 · faces], ``step``: distance of grid points.
    """

    fields: Float32[np.ndarray, "glyph row column"]
    half_widths: Float32[np.ndarray, " glyph"]
    step: float

    @property
    def faces(self) -> int:
        """How many faces there are."""
        return len(self.fields) // (NONE + 1)


@cache
def atlas() -> Atlas:
    """The stored atlas (drawn once by ``scripts/draw_glyphs.py``), with an empty glyph added to every face."""
    with files("pimvae.data").joinpath("_house_numbers.npz").open("rb") as file, np.load(file) as stored:
        fields, widths, (step, limit) = stored["fields"], stored["half_widths"], stored["grid"]
    nothing = np.full_like(fields[:, :1], fields.min())
    fields = np.concatenate([fields, nothing], axis=1).astype(np.float32)
    widths = np.concatenate([widths, np.full_like(widths[:, :1], 0.3)], axis=1)
    fields = (fields - np.float32(128)) * (limit / np.float32(124))
    return Atlas(fields.reshape(-1, *fields.shape[2:]), widths.reshape(-1), float(step))


def house_numbers(
    stream: int, count: int, variation: float = 1.0
) -> tuple[UInt8[np.ndarray, "n 3 32 32"], Int64[np.ndarray, " n"]]:
    """The first ``count`` pictures of a stream and the digits in their centres; the digit of picture i is i mod 10.

    Args:
        stream: pictures of different streams are independent.
        count: how many.
        variation: 1 varies pictures as photographs of SVHN do; less of it gives upright light digits of one face on
            walls of similar brightness, alone and in the middle (see `Draws`).

    Source: the crops of SVHN (Netzer et al., 2011) are what is imitated; no photograph is used.
    """
    blocks = list(_blocks(stream, count, variation))
    pictures = np.concatenate(blocks)[:count] if blocks else np.zeros((0, 3, SIDE, SIDE), np.uint8)
    return pictures, np.arange(count, dtype=np.int64) % DIGITS


def _blocks(stream: int, count: int, variation: float) -> Iterator[np.ndarray]:
    for block in range(-(-count // BLOCK)):
        draws = Draws(stream, block, BLOCK, variation)
        yield _pictures(draws, np.arange(BLOCK) % DIGITS)


@dataclass(frozen=True)
class Scene:
    """What lies where in a block of pictures, all [n, 32, 32] float32.

    Args:
        x: column in the glyph's frame, in digit heights from the digit's centre.
        y: row in the same frame.
        distance: signed distance to the nearest outline, in digit heights.
        scale: pixels per digit height, [n, 1, 1].
    """

    x: np.ndarray
    y: np.ndarray
    distance: np.ndarray
    scale: np.ndarray


def _pictures(draws: Draws, digits: np.ndarray) -> UInt8[np.ndarray, "n 3 32 32"]:
    scene = _scene(draws, digits)
    ink, wall = _colours(draws)
    surface = _surface(draws, scene, wall)
    painted = _painted(draws, scene, surface, ink, wall)
    lit = painted * _light(draws)[:, None] + _cast(draws)
    grainy = mixed_blur(lit + noise(draws, SIDE), draws.uniform(-0.4, 1.5, 1, 1, 1))
    return np.rint(np.clip(grainy, 0, 255)).astype(np.uint8)


def _scene(draws: Draws, digits: np.ndarray) -> Scene:
    """Where the digit and its neighbours lie: one affine map per picture, three glyphs in a row or in a column."""
    scale = draws.uniform(16.5, 29.5, 1, 1)
    x, y = _glyph_frame(draws, scale)
    distance = _distance(draws, digits, x, y)
    return Scene(x, y, distance, scale)


def _glyph_frame(draws: Draws, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres seen from the glyph: moved, turned, sheared and stretched."""
    pixel = np.arange(SIDE, dtype=np.float32) - np.float32(SIDE / 2 - 0.5)
    right = pixel - draws.peaked(2.5, 1, 1)
    down = pixel[:, None] - draws.peaked(2.5, 1, 1)
    half = draws.peaked(0.16, 1, 1)  # tangent of half the angle: cosine and sine are rational in it
    cosine, sine = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    along, across = cosine * right + sine * down, cosine * down - sine * right
    shear, stretch = draws.peaked(0.3, 1, 1), draws.uniform(0.62, 1.12, 1, 1)
    return (along - shear * across) / (scale * stretch), across / scale


def _distance(draws: Draws, digits: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Signed distance to the outlines: of the digit, or beyond the middle of a gap to those of its neighbour."""
    glyphs, table = _glyphs(draws, digits), atlas()
    gap = draws.uniform(0.06, 0.34, 1, 1)
    column = draws.happens(0.06, 1, 1)  # numbers written downwards
    half = np.where(column[:, None], np.float32(0.5), table.half_widths[glyphs][:, :, None, None])
    position = np.where(column, y, x)
    before, after = position < -(half[:, 1] + gap / 2), position > half[:, 1] + gap / 2
    moved = np.where(before, half[:, 0] + half[:, 1] + gap, np.float32(0))
    moved = moved - np.where(after, half[:, 2] + half[:, 1] + gap, np.float32(0))
    left, centre, right = (glyphs[:, side, None, None] for side in range(3))
    glyph = np.where(before, left, np.where(after, right, centre))
    columns = np.where(column, x, x + moved) / np.float32(table.step)
    rows = np.where(column, y + moved, y) / np.float32(table.step)
    return interpolated(table.fields, glyph, rows, columns)


def _glyphs(draws: Draws, digits: np.ndarray) -> Int64[np.ndarray, "n 3"]:
    """Indices into the atlas: neighbour, digit, neighbour, all of one face; some have no neighbour."""
    shown = np.stack([draws.integers(DIGITS), digits, draws.integers(DIGITS)], axis=1)
    kind = draws.uniform(0, 1, 1)
    one = np.where(kind < 0.25, 1, np.where(kind < 0.75, FOOTLESS, BAR))
    absent = draws.persists(0.35, 3) & np.array([True, False, True])
    shown = np.where(absent, NONE, np.where(shown == 1, one, shown))
    plain = np.array(SANS)[draws.integers(len(SANS))]
    face = np.where(draws.persists(0.3), plain, draws.integers(atlas().faces))
    return face[:, None] * (NONE + 1) + shown


def _colours(draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Colours [n, 3, 1, 1] of the digits and of the wall: grey with a tint, darker or lighter by a limited contrast."""
    wall, step = draws.uniform(30, 215, centre=0.25), draws.uniform(0, 1, centre=1)
    step = 26 + 110 * step * step
    darker = np.where(draws.happens(0.5), wall - step > 8, wall + step > 247)
    ink = np.where(darker, wall - step, wall + step)
    return _tinted(draws, ink), _tinted(draws, wall)


def _tinted(draws: Draws, grey: np.ndarray) -> np.ndarray:
    """Grey with a tint between warm and cold, less between green and magenta; the brightness stays."""
    strength = np.where(draws.happens(0.2), np.float32(0.5), np.float32(0.12)) * draws.uniform(0, 1)
    warm, green = draws.uniform(-1, 1) * strength, draws.uniform(-0.35, 0.35) * strength
    tint = np.stack([warm - green / 2, green, -warm - green / 2], axis=1)
    return (grey[:, None] * (1 + tint))[:, :, None, None]


def _surface(draws: Draws, scene: Scene, wall: np.ndarray) -> np.ndarray:
    """What the digits are painted on: the wall, on some pictures with a plate whose edges are seen."""
    plate = draws.happens(0.4, 1, 1)
    top, bottom = draws.uniform(0.58, 0.85, 1, 1), draws.uniform(0.58, 0.85, 1, 1)
    left, right = draws.uniform(0.5, 1.6, 1, 1), draws.uniform(0.5, 1.6, 1, 1)
    inside = np.minimum(np.minimum(scene.y + top, bottom - scene.y), np.minimum(scene.x + left, right - scene.x))
    edge = smooth_step(np.where(plate, inside, np.float32(1)) * scene.scale * draws.uniform(0.3, 1, 1, 1))
    around = wall + draws.uniform(-70, 70)[:, None, None, None]
    return around + edge[:, None] * (wall - around) + _boards(draws, scene)[:, None]


def _boards(draws: Draws, scene: Scene) -> np.ndarray:
    """Boards or courses of brick on some walls: a triangular wave along the glyph's rows or columns."""
    across = np.where(draws.happens(0.8, 1, 1), scene.y, scene.x)
    place = across * draws.uniform(0.8, 4, 1, 1) + draws.uniform(0, 1, 1, 1)
    height = np.where(draws.happens(0.2, 1, 1), draws.uniform(0, 40, 1, 1), np.float32(0))
    return height * (np.abs(place - np.floor(place) - np.float32(0.5)) - np.float32(0.25))


def _painted(draws: Draws, scene: Scene, surface: np.ndarray, ink: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """The digits on their surface, some with a rim of another brightness, as by a shadow or a raised edge."""
    sharpness = scene.scale / draws.uniform(1, 5.5, 1, 1)
    weight = draws.uniform(-0.015, 0.045, 1, 1)
    rim = np.where(draws.happens(0.3, 1, 1), draws.uniform(0.02, 0.07, 1, 1), np.float32(0))
    rim_colour = wall + draws.uniform(-45, 45)[:, None, None, None]
    behind = smooth_step((scene.distance + weight + rim) * sharpness)
    behind = np.where(rim > 0, behind, np.float32(0))[:, None]
    front = smooth_step((scene.distance + weight) * sharpness)[:, None]
    rimmed = surface + behind * (rim_colour - surface)
    return rimmed + front * (ink - rimmed) + _relief(draws, front)


def _relief(draws: Draws, front: np.ndarray) -> np.ndarray:
    """Light and shadow on the edges of raised or engraved digits: slopes of the front, lit from one side."""
    strength = np.where(draws.happens(0.35, 1, 1, 1), np.float32(45), np.float32(0))
    relief = np.zeros_like(front)
    relief[:, :, 1:] += draws.uniform(-1, 1, 1, 1, 1) * strength * (front[:, :, 1:] - front[:, :, :-1])
    relief[:, :, :, 1:] += draws.uniform(-1, 1, 1, 1, 1) * strength * (front[:, :, :, 1:] - front[:, :, :, :-1])
    return relief


def _light(draws: Draws) -> np.ndarray:
    """Brightness [n, 32, 32]: a slope, and blotches of dirt and shade."""
    place = (np.arange(SIDE, dtype=np.float32) - np.float32(SIDE / 2 - 0.5)) / np.float32(SIDE)
    slope = draws.peaked(0.4, 1, 1) * place + draws.peaked(0.4, 1, 1) * place[:, None]
    return 1 + slope + draws.uniform(0, 0.14, 1, 1) * smooth_field(draws, SIDE)


def _cast(draws: Draws) -> np.ndarray:
    """Blotches of colour, as a camera's compression leaves them, and the blue of daylight, [n, 3, 32, 32]."""
    blotches = np.stack([smooth_field(draws, SIDE) for _ in range(3)], axis=1) * draws.uniform(0, 12, 1, 1, 1)
    return blotches + draws.uniform(0, 1, 1, 1, 1) * np.array([-4, -2, 10], dtype=np.float32)[:, None, None]
