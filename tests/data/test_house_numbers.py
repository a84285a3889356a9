"""House numbers: the same bytes everywhere, the digit that the label says, the atlas that the script draws."""

import hashlib
import importlib.util

import numpy as np
import pytest

from pimvae.data._house_numbers import BAR, FOOTLESS, NONE, _glyphs, atlas, house_numbers
from pimvae.data._raster import Draws, interpolated, mixed_blur, noise, smooth_field, smooth_step

SHA256 = (
    "69ce53440a92d43593abbe3b7a692fa9603115b4017d60f01e23a6047ecd0da5"  # of 64 pictures, equal under numpy 1.26 and 2.4
)


def test_the_bytes_are_those_of_every_other_machine():
    pictures, digits = house_numbers(stream=0, count=64)
    assert pictures.shape == (64, 3, 32, 32) and pictures.dtype == np.uint8
    assert digits.tolist() == [i % 10 for i in range(64)]
    assert hashlib.sha256(pictures.tobytes()).hexdigest() == SHA256


def test_a_picture_does_not_depend_on_how_many_are_drawn():
    many, few = house_numbers(1, 230)[0], house_numbers(1, 130)[0]
    np.testing.assert_array_equal(many[:130], few)
    assert not (many[100:200] == many[:100]).all(axis=(1, 2, 3)).any()
    assert not (house_numbers(2, 100)[0] == many[:100]).all(axis=(1, 2, 3)).any()
    assert house_numbers(1, 0)[0].shape == (0, 3, 32, 32)


def test_with_less_variation_digits_are_light_upright_and_alone():
    spread = []
    for variation in (0.0, 0.25, 1.0):
        grey = house_numbers(1, 300, variation)[0].mean(axis=1)
        border = grey[:, [0, 1, 30, 31]].mean(axis=(1, 2))
        lighter = np.quantile(grey[:, 6:26, 8:24], 0.9, axis=(1, 2)) > border + 40
        spread.append((lighter.mean(), grey[::10].std(axis=0).mean()))  # of the pictures of one digit
    assert spread[0][0] == 1 and spread[1][0] > 0.8 > spread[2][0]
    assert spread[0][1] < spread[1][1] < 0.6 * spread[2][1]


def test_the_digit_stands_in_the_middle_between_neighbours_of_its_face():
    digits = np.arange(2000) % 10
    glyphs = _glyphs(Draws(0, 0, 2000), digits)
    faces, shown = np.divmod(glyphs, NONE + 1)
    assert (faces == faces[:, :1]).all() and set(faces[:, 0]) == set(range(atlas().faces))
    one = (shown == FOOTLESS) | (shown == BAR)
    np.testing.assert_array_equal(np.where(one, 1, shown)[:, 1], digits)
    assert set(shown[:, 0]) == set(range(NONE + 1)) and NONE not in shown[:, 1]


def test_the_picture_shows_the_glyph():
    """Dark or light, the picture correlates with the glyph that is drawn in it, so labels and pictures agree."""
    pictures, digits = house_numbers(3, 500)
    grey = pictures.mean(axis=1) - pictures.mean(axis=(1, 2, 3))[:, None, None]
    grid = (np.arange(32, dtype=np.float32) - 15.5) / 23 * 24
    rows, columns = np.broadcast_to(grid[:, None], (32, 32)), np.broadcast_to(grid, (32, 32)) / np.float32(0.85)
    inside = np.array([
        smooth_step(interpolated(atlas().fields, np.full((32, 32), glyph), rows, columns) * 8)
        for glyph in range(10)
    ])  # fmt: skip
    inside -= inside.mean(axis=(1, 2), keepdims=True)
    inside /= np.sqrt((inside**2).sum(axis=(1, 2), keepdims=True))
    likeness = np.abs(np.einsum("nij,gij->ng", grey, inside))
    read = likeness.argmax(axis=1) == digits
    assert read.mean() > 0.3  # 0.1 by chance, for a reader that knows one face and no position


def test_fields_are_distances(root):
    table = atlas()
    assert table.fields.shape[0] == table.faces * (NONE + 1) == len(table.half_widths)
    empty = table.fields.reshape(table.faces, NONE + 1, -1)[:, NONE]
    np.testing.assert_allclose(empty, -0.25, atol=1e-6)
    drawn = table.fields.reshape(table.faces, NONE + 1, -1)[:, :NONE]
    assert (drawn.max(axis=2) > 0.01).all()  # every glyph has an inside
    down, right = np.diff(table.fields, axis=1), np.diff(table.fields, axis=2)
    assert max(np.abs(down).max(), np.abs(right).max()) < 1.25 * table.step  # a distance has slope 1 at most


def test_the_script_draws_the_stored_atlas(root):
    spec = importlib.util.spec_from_file_location("draw_glyphs", root / "scripts" / "draw_glyphs.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    path = root / "src" / "pimvae" / "data" / "_house_numbers.npz"
    with np.load(path) as stored:
        fields, half_widths = script.draw_face(script.FACES[9])
        assert np.abs(stored["fields"][9].astype(int) - fields).max() <= 16  # outlines differ between versions
        np.testing.assert_allclose(stored["half_widths"][9], half_widths, atol=0.02)


def test_pieces():
    np.testing.assert_array_equal(smooth_step(np.array([-9, -0.5, 0, 0.5, 9], np.float32)), [0, 0, 0.5, 1, 1])
    draws = Draws(0, 0, 4)
    flat = np.full((4, 3, 8, 8), 7, np.float32)
    np.testing.assert_array_equal(mixed_blur(flat, draws.uniform(-1, 1, 1, 1, 1)), flat)
    spike = np.zeros((4, 3, 5, 5), np.float32)
    spike[:, :, 2, 2] = 16
    blurred = mixed_blur(spike, np.ones((4, 1, 1, 1), np.float32))
    np.testing.assert_array_equal(blurred[0, 0, 1:4, 1:4], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    assert np.abs(smooth_field(draws, 32)).max() <= 1 and noise(draws, 8).shape == (4, 3, 8, 8)
    bytes_ = Draws(0, 1, 50).bytes(40, 40)
    assert bytes_.min() == 0 and bytes_.max() == 255 and bytes_.mean() == pytest.approx(127.5, abs=2)


def test_interpolation_is_exact_on_planes_and_continues_the_edge():
    rows, columns = np.mgrid[:6, :8].astype(np.float32)
    fields = np.stack([np.zeros((6, 8), np.float32), 2 * rows - columns])
    place = np.array([[-1.25, 0.5, 2.0]], np.float32)
    found = interpolated(fields, np.ones((1, 3), np.int64), place, place)
    np.testing.assert_allclose(found, 2 * (place + 2.5) - (place + 3.5), atol=1e-6)
    far, centre = np.full((1, 1), -99, np.float32), np.zeros((1, 1), np.float32)
    beyond = interpolated(fields, np.ones((1, 1), np.int64), far, centre)
    np.testing.assert_allclose(beyond, [[-3.5]], atol=1e-6)
