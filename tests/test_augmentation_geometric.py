"""Maps of places: whole shifts and quarter turns exactly, SciPy's resampling elsewhere, amounts as documented."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from fcnet.augmentation import TRANSFORMS
from fcnet.augmentation.elastic import bumps, displacements
from fcnet.augmentation.geometric import centred, mirrored, scaled, shifted, slanted, turned, windowed
from fcnet.augmentation.record import Picture
from fcnet.augmentation.resample import bilinear
from fcnet.catalogue import choose

from .augmentation_images import EPS, FULL, SHAPES, each, made, pictures, start


def read(images, places):
    return np.asarray(jax.jit(bilinear)(jnp.asarray(images, jnp.float32), places))


def by_scipy(images, places):
    """The same reading by SciPy in float64; grid-constant: zeros all around, interpolated towards them."""
    rows, height, width, channels = images.shape
    x = np.asarray(places.x, np.float64) + (width - 1) / 2
    y = np.asarray(places.y, np.float64) + (height - 1) / 2
    result = np.empty(images.shape)
    for row in range(rows):
        for channel in range(channels):
            result[row, :, :, channel] = ndimage.map_coordinates(
                images[row, :, :, channel].astype(float), [y[row], x[row]], order=1, mode="grid-constant", cval=0
            )
    return result


def resampling_error(places):
    """Coordinates round at their size, a value changes by at most 2 · 255 a pixel, and a few roundings follow."""
    size = 1 + max(float(jnp.abs(part).max()) for part in places)
    return 4 * EPS * FULL * (size + 4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, -1), (2, 3), (-3, 1), (50, 0)])
def test_a_shift_by_whole_pixels_moves_the_array(shape, right, down, random):
    images = pictures(random, shape)
    moved = read(images, shifted(start(images), each(images, right), each(images, down)))
    _, height, width, _ = images.shape
    expected = np.zeros_like(images)
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                expected[:, i, j] = images[:, i - down, j - right]
    np.testing.assert_array_equal(moved, expected)


def test_shift_draws_every_whole_shift_within_its_range(key):
    # one bright pixel in the middle tells where each image went
    images = np.zeros((400, 7, 7, 1), np.uint8)
    images[:, 3, 3] = 255
    result = made(["shift:pixels=2"], images, key)
    assert set(np.unique(result)) == {0, FULL}
    places = np.argwhere(result[..., 0] == FULL)
    assert len(places) == len(images)
    counts = np.unique(places[:, 1:] - 3, axis=0, return_counts=True)
    np.testing.assert_array_equal(counts[0], [(i, j) for i in range(-2, 3) for j in range(-2, 3)])
    # 25 places equally likely; a true generator fails this once in 10⁶ keys, and the key is fixed
    assert stats.chisquare(counts[1]).pvalue > 1e-6


@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("side", [4, 7, 8])
def test_quarter_turns_are_numpys(side, quarters, random):
    images = pictures(random, (side, side, 3))
    places = turned(start(images), each(images, quarters * np.pi / 2))
    # cos and sin of a rounded π/2 k are off by as much as the angle is
    np.testing.assert_allclose(
        read(images, places), np.rot90(images, quarters, axes=(1, 2)), rtol=0, atol=20 * EPS * FULL * side
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_flips(name, axis, shape, random, key):
    images = pictures(random, shape)
    np.testing.assert_array_equal(made([f"{name}:probability=1"], images, key), np.flip(images, axis))


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip"])
def test_flips_happen_as_often_as_asked(name, key):
    images = np.tile(np.array([[0, 255], [0, 0]], np.uint8).reshape(1, 2, 2, 1), (2000, 1, 1, 1))
    flipped = (made([f"{name}:probability=0.3"], images, key) != images).any(axis=(1, 2, 3)).sum()
    # five standard deviations of a binomial count
    assert abs(flipped - 600) < 5 * np.sqrt(2000 * 0.3 * 0.7)


def test_each_map_moves_content_the_way_it_says():
    # a dot at x = 2, y = 1 of the centre of 9 × 9; p ↦ F p + t computed here by hand
    images = np.zeros((1, 9, 9, 1))
    images[0, 4 + 1, 4 + 2] = 1
    one = jnp.ones((1,), jnp.float32)
    still = start(images)
    moved = {
        "shift": (shifted(still, one, 2 * one), (3, 3)),
        "quarter turn, counter-clockwise": (turned(still, one * (np.pi / 2)), (1, -2)),
        "twice the size": (scaled(still, 2 * one), (4, 2)),
        "slant by 1: what is below goes left": (slanted(still, one), (1, 1)),
        "window half as large around (1, 0)": (windowed(still, one / 2, one, 0 * one), (2, 2)),
        "left to right": (still._replace(x=mirrored(still.x, one > 0)), (-2, 1)),
    }
    for motion, (places, (x, y)) in moved.items():
        row, column = np.unravel_index(read(images, places)[0, :, :, 0].argmax(), (9, 9))
        assert (column - 4, row - 4) == (x, y), motion


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("transform", "amounts"),
    [
        (shifted, (0.3, -1.7)),
        (turned, (0.4,)),
        (turned, (-2.9,)),
        (scaled, (1.3,)),
        (scaled, (0.6,)),
        (slanted, (0.25,)),
        (slanted, (-0.8,)),
        (windowed, (0.7, 0.2, -0.4)),
    ],
)
def test_resampling_is_scipys(transform, amounts, shape, random):
    images = pictures(random, shape)
    places = transform(start(images), *(each(images, amount) for amount in amounts))
    np.testing.assert_allclose(read(images, places), by_scipy(images, places), rtol=0, atol=resampling_error(places))


@pytest.mark.parametrize("shape", SHAPES)
def test_elastic_resampling_is_scipys(shape, random, key):
    images = pictures(random, shape)
    record, options = choose("augmentation", "elastic:pixels=1.5,smoothness=2", TRANSFORMS)
    places = record.reads(start(images), key, Picture(*(*shape, 1)[:3], FULL), **options)
    np.testing.assert_allclose(read(images, places), by_scipy(images, places), rtol=0, atol=resampling_error(places))


def test_maps_compose_into_one_reading(random):
    # first larger, then turned, then slanted: places go through the inverses backwards, as a matrix product does
    images = pictures(random, (9, 7))
    angle, factor, slope = 0.3, 1.2, -0.4
    places = scaled(turned(slanted(start(images), each(images, slope)), each(images, angle)), each(images, factor))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    forward = np.array([[1, -slope], [0, 1]]) @ turn @ (factor * np.eye(2))
    still = np.stack([np.asarray(part, float) for part in start(images)])
    expected = np.einsum("ab,brij->arij", np.linalg.inv(forward), still)
    # three products of coordinates up to 5, each rounding once
    np.testing.assert_allclose(np.stack(places), expected, rtol=0, atol=8 * EPS * 8)


def test_the_order_given_is_the_order_seen(key):
    # a dot in the centre is its own mirror image, so that only a shift before the mirror is mirrored with it
    images = np.zeros((64, 9, 9, 1), np.uint8)
    images[:, 4, 4] = 255
    texts = ("shift:pixels=3", "horizontal_flip:probability=1")
    first = made(texts, images, key)
    # the stream of the shift is the first of two, whatever comes after
    still = made(("shift:pixels=3", "horizontal_flip:probability=0"), images, key)
    np.testing.assert_array_equal(first, still[:, :, ::-1])
    assert (first != still).any()
    record, options = choose("augmentation", "shift:pixels=3", TRANSFORMS)
    last = made(texts[::-1], images, key)
    alone = record.reads(start(images), jax.random.split(key, 2)[1], Picture(9, 9, 1, FULL), **options)
    np.testing.assert_array_equal(last, read(images, alone))


AMOUNTS = {
    # what is read at x = 1, y = 0 tells the amount: (text, places ↦ amount, its least, its largest)
    "rotation:degrees=30": (lambda x, y: np.degrees(np.arctan2(y, x)), -30, 30),
    "scale:factor=1.5": (lambda x, y: -np.log(x), -np.log(1.5), np.log(1.5)),
}


@pytest.mark.parametrize("text", sorted(AMOUNTS))
def test_amounts_are_uniform_in_their_range(text, key):
    amount, low, high = AMOUNTS[text]
    record, options = choose("augmentation", text, TRANSFORMS)
    picture = Picture(3, 3, 1, FULL)
    places = record.reads(centred(4000, picture), key, picture, **options)
    drawn = amount(np.asarray(places.x[:, 1, 2], float), np.asarray(places.y[:, 1, 2], float))
    slack = 8 * EPS * high
    assert low - slack <= drawn.min() < drawn.max() <= high + slack
    # Kolmogorov–Smirnov: a true generator fails once in 10⁶ keys, and the key is fixed
    assert stats.kstest(drawn, stats.uniform(low, high - low).cdf).pvalue > 1e-6


def test_shear_angles_are_uniform_in_their_range(key):
    record, options = choose("augmentation", "shear:degrees=20", TRANSFORMS)
    picture = Picture(3, 3, 1, FULL)
    places = record.reads(centred(4000, picture), key, picture, **options)
    np.testing.assert_array_equal(places.y, centred(4000, picture).y)
    drawn = np.degrees(np.arctan(np.asarray(places.x[:, 2, 1], float)))
    assert np.abs(drawn).max() <= 20 * (1 + 8 * EPS)
    assert stats.kstest(drawn, stats.uniform(-20, 40).cdf).pvalue > 1e-6  # as above


def test_crop_keeps_its_share_and_reads_nothing_outside(key):
    picture = Picture(7, 11, 1, FULL)
    record, options = choose("augmentation", "crop:share=0.4", TRANSFORMS)
    still = centred(4000, picture)
    places = record.reads(still, key, picture, **options)
    for after, before, side in ((places.x, still.x, 11), (places.y, still.y, 7)):
        after, before = np.asarray(after, float), np.asarray(before, float)
        share = np.ptp(after, axis=(1, 2)) / np.ptp(before, axis=(1, 2))
        assert stats.kstest(share, stats.uniform(0.4, 0.6).cdf).pvalue > 1e-6  # as above
        assert np.abs(after).max() <= (side - 1) / 2 * (1 + 4 * EPS)
        # and the window reaches every place that is left to it
        offset = after.mean(axis=(1, 2)) / ((1 - share) * (side - 1) / 2)
        chosen = share < 0.9  # where little is left, the quotient keeps few digits
        assert stats.kstest(offset[chosen], stats.uniform(-1, 2).cdf).pvalue > 1e-6


@pytest.mark.parametrize("smoothness", [0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("size", [1, 8, 28])
def test_elastic_fields_have_the_covariance_of_filtered_noise(size, smoothness):
    matrix = bumps(size, smoothness)
    distance = np.arange(size)[:, None] - np.arange(size)[None, :]
    # the lattice leaves a ripple of 2 exp(−π²) ≈ 1e-4, the bumps beyond 3 σ at most about as much
    np.testing.assert_allclose(matrix @ matrix.T, np.exp(-(distance**2) / (4 * smoothness**2)), atol=5e-4)


def test_elastic_displacements_are_normal_with_variance_one(key):
    across, down = displacements(key, 4000, Picture(6, 9, 1, FULL), 2.0)
    for field in (across, down):
        for corner in ((0, 0), (3, 4), (5, 8)):
            assert stats.kstest(np.asarray(field[:, *corner], float), "norm").pvalue > 1e-6  # as above
    # independent of each other: a correlation of 4000 pairs has standard deviation 1/√4000
    assert abs(np.corrcoef(across[:, 2, 2], down[:, 2, 2])[0, 1]) < 5 / np.sqrt(4000)
