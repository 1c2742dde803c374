"""Augmentation: exact where nothing moves, SciPy's resampling elsewhere, closed forms for values, labels kept."""

import colorsys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.spatial.transform import Rotation

from fcnet.augmentation import TRANSFORMS, AugmentSpec, augment, changes_labels, check_label_safe
from fcnet.augmentation.elastic import bumps, displacements
from fcnet.augmentation.geometric import centred, mirrored, scaled, shifted, slanted, turned, windowed
from fcnet.augmentation.photometric import contrasted, hue_matrix
from fcnet.augmentation.record import Geometric, Photometric, Picture
from fcnet.augmentation.resample import bilinear
from fcnet.catalogue import choose
from fcnet.data import idx
from fcnet.errors import InputError

EPS = float(np.finfo(np.float32).eps)
FULL = 255.0
# a square of even and of odd side, a flat and a tall one, with and without colour
SHAPES = [(8, 8), (7, 7), (6, 9), (9, 4), (5, 6, 3), (4, 4, 1)]
# what does nothing, or what is done with probability 0
IDLE = (
    "shift:pixels=0",
    "rotation:degrees=0",
    "scale:factor=1",
    "shear:degrees=0",
    "crop:share=1",
    "horizontal_flip:probability=0",
    "vertical_flip:probability=0",
    "elastic:pixels=0,smoothness=1",
    "brightness:amount=0",
    "contrast:factor=1",
    "hue:degrees=0",
    "noise:sigma=0",
)


# as a step calls it
compiled = jax.jit(augment, static_argnums=0)


def pictures(random, shape, rows=6):
    """Stored images (rows, height, width, channels), bytes."""
    height, width, channels = (*shape, 1)[:3]
    return random.integers(0, 256, (rows, height, width, channels), dtype=np.uint8)


def made(texts, images, key, shape=None, **about):
    """``augment`` of (rows, height, width, channels), in the same shape."""
    spec = AugmentSpec(tuple(texts), images.shape[1:] if shape is None else shape, 1 / FULL, **about)
    flat = compiled(spec, jnp.asarray(images.reshape(len(images), -1)), key=key)
    assert flat.shape == (len(images), spec.picture.height * spec.picture.width * spec.picture.channels)
    assert flat.dtype == jnp.float32
    return np.asarray(flat).reshape(images.shape)


def start(images):
    rows, height, width, channels = images.shape
    return centred(rows, Picture(height, width, channels, FULL))


def read(images, places):
    return np.asarray(jax.jit(bilinear)(jnp.asarray(images, jnp.float32), places))


def each(images, amount):
    return jnp.full((len(images),), amount, jnp.float32)


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


@pytest.mark.parametrize(
    ("text", "shape"), [(text, shape) for text in IDLE for shape in SHAPES if "hue" not in text or shape[2:] == (3,)]
)
def test_amount_zero_is_the_image_itself(text, shape, random, key):
    images = pictures(random, shape)
    # m + 1 · (v − m), and a product with an identity matrix, round; everything else is exact
    tolerance = 4 * EPS * FULL if text.startswith(("contrast", "hue")) else 0
    np.testing.assert_allclose(made([text], images, key), images, rtol=0, atol=tolerance)


def test_all_at_amount_zero_together(random, key):
    images = pictures(random, (5, 6, 3))
    np.testing.assert_allclose(made(IDLE, images, key), images, rtol=0, atol=8 * EPS * FULL)


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


def test_brightness_adds_one_number_to_an_image(key):
    images = np.full((4000, 2, 2, 1), 100, np.uint8)
    added = made(["brightness:amount=0.2"], images, key) - 100.0
    np.testing.assert_array_equal(np.ptp(added, axis=(1, 2, 3)), 0)
    assert stats.kstest(added[:, 0, 0, 0], stats.uniform(-0.2 * FULL, 0.4 * FULL).cdf).pvalue > 1e-6  # as above


def test_contrast_stretches_about_the_mean_of_each_channel(random, key):
    images = random.uniform(100, 150, (500, 4, 5, 3)).astype(np.float32)
    result = made(["contrast:factor=1.5"], images, key)
    mean = images.astype(float).mean(axis=(1, 2), keepdims=True)
    factor = (result - mean)[:, :1, :1, :1] / (images - mean)[:, :1, :1, :1]
    clear = np.abs(images - mean)[:, 0, 0, 0] > 5
    expected = mean + factor * (images - mean)
    # values near 150 round at 150 ε; the factor is found from a difference of 5 and spreads over one of 25
    np.testing.assert_allclose(result[clear], expected[clear], rtol=0, atol=150 * EPS * 4 * 6)
    assert stats.kstest(np.log(factor[clear].ravel()), stats.uniform(-np.log(1.5), 2 * np.log(1.5)).cdf).pvalue > 1e-6


def test_contrast_at_a_given_factor(random):
    images = pictures(random, (4, 5, 3)).astype(np.float32)
    mean = images.mean(axis=(1, 2), keepdims=True, dtype=float)
    result = contrasted(jnp.asarray(images), each(images, 0.25))
    np.testing.assert_allclose(result, mean + 0.25 * (images - mean), rtol=0, atol=8 * EPS * FULL)


@pytest.mark.parametrize("degrees", [-150.0, -15.0, 0.0, 40.0, 180.0])
def test_hue_turns_about_the_grey_axis(degrees):
    matrix = np.asarray(hue_matrix(jnp.asarray([np.radians(degrees)], jnp.float32)))[0]
    expected = Rotation.from_rotvec(np.radians(degrees) * np.ones(3) / np.sqrt(3)).as_matrix()
    # an angle up to π, its cosine and sine, and three terms
    np.testing.assert_allclose(matrix, expected, rtol=0, atol=8 * EPS)
    np.testing.assert_allclose(matrix @ np.ones(3), np.ones(3), rtol=0, atol=8 * EPS)


@pytest.mark.parametrize("degrees", [-120, 120])
def test_a_third_of_the_colour_wheel_is_colorsys(degrees, random):
    colours = random.uniform(0, 1, (20, 3))
    matrix = np.asarray(hue_matrix(jnp.asarray([np.radians(degrees)], jnp.float32)), float)[0]
    for colour in colours:
        hue, saturation, value = colorsys.rgb_to_hsv(*colour)
        expected = colorsys.hsv_to_rgb((hue + degrees / 360) % 1, saturation, value)
        np.testing.assert_allclose(matrix @ colour, expected, rtol=0, atol=16 * EPS)


def test_hue_draws_its_angle_and_keeps_grey(key):
    grey = np.full((10, 2, 2, 3), 77, np.uint8)
    np.testing.assert_allclose(made(["hue:degrees=180"], grey, key), grey, rtol=0, atol=8 * EPS * FULL)
    # a weak colour on grey stays within the range, so its angle can be measured
    colour = np.tile(np.array([140, 120, 120], np.float32), (4000, 1, 1, 1))
    red, green, blue = np.moveaxis(made(["hue:degrees=50"], colour, key).reshape(-1, 3).astype(float), 1, 0)
    angle = np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue))
    assert np.abs(angle).max() < 50.001  # ε of 140 in a colour of 20: 1e-4 degrees
    assert stats.kstest(angle, stats.uniform(-50, 100).cdf).pvalue > 1e-6  # as above


def test_noise_is_normal_with_its_sigma(key):
    images = np.full((500, 4, 4, 1), 128, np.uint8)
    added = (made(["noise:sigma=0.05"], images, key) - 128.0).ravel()
    assert stats.kstest(added, stats.norm(0, 0.05 * FULL).cdf).pvalue > 1e-6  # as above


STRONG = {
    "shift:pixels=3",
    "rotation:degrees=180",
    "scale:factor=3",
    "shear:degrees=50",
    "crop:share=0.2",
    "horizontal_flip",
    "vertical_flip",
    "elastic:pixels=3,smoothness=2",
    "brightness:amount=1",
    "contrast:factor=8",
    "hue:degrees=180",
    "noise:sigma=1",
}


@pytest.mark.parametrize("text", sorted(STRONG))
def test_values_stay_in_the_stored_range_and_images_differ(text, random, key):
    images = np.repeat(pictures(random, (6, 7, 3), rows=1), 40, axis=0)
    result = made([text], images, key)
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= FULL
    assert len(np.unique(result.reshape(40, -1), axis=0)) > 1


def test_the_range_follows_the_input_scale(key):
    spec = AugmentSpec(("brightness:amount=1",), (2, 2), 1 / 16)
    result = augment(spec, jnp.full((50, 4), 8, jnp.uint8), key=key)
    assert (float(result.min()), float(result.max())) == (0.0, 16.0)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32"])
def test_any_dtype_comes_out_as_float32(dtype, random, key):
    images = pictures(random, (4, 5))
    spec = AugmentSpec(("rotation", "noise"), (4, 5), 1 / FULL)
    result = augment(spec, jnp.asarray(images.reshape(6, -1), dtype), key=key)
    assert result.dtype == jnp.float32
    np.testing.assert_array_equal(result, augment(spec, jnp.asarray(images.reshape(6, -1)), key=key))


def test_float32_also_where_float64_is_on(random):
    with jax.enable_x64(True):
        spec = AugmentSpec(tuple(sorted(STRONG)), (6, 7, 3), 1 / FULL)
        images = jnp.asarray(pictures(random, (6, 7, 3)).reshape(6, -1), jnp.float64)
        assert compiled(spec, images, key=jax.random.key(1)).dtype == jnp.float32


def test_the_same_key_draws_the_same_and_another_does_not(random, key):
    images = pictures(random, (6, 7, 3))
    for text in sorted(STRONG):
        first, second, other = (made([text], images, stream) for stream in (key, key, jax.random.key(7)))
        np.testing.assert_array_equal(first, second)
        assert (first != other).any(), text


def test_compiled_once_and_the_same_under_jit(random, key):
    spec = AugmentSpec(tuple(sorted(STRONG)), (6, 7, 3), 1 / FULL)
    x = jnp.asarray(pictures(random, (6, 7, 3)).reshape(6, -1))
    traces = []

    @jax.jit
    def counted(x, key):
        traces.append(1)
        return augment(spec, x, key=key)

    first = counted(x, key)
    counted(x, jax.random.key(7))
    assert len(traces) == 1
    # fused arithmetic rounds differently: places some 40 pixels away by 40 ε at each of four steps, 2 · 255 a pixel,
    # stretched up to 8 times by contrast
    np.testing.assert_allclose(first, augment(spec, x, key=key), rtol=0, atol=40 * 4 * EPS * 2 * FULL * 8)


def test_equal_specs_are_one_static_argument():
    texts = ("shift", "noise:sigma=0.1")
    assert AugmentSpec(texts, (8, 8), 1 / 16) == AugmentSpec(texts, (8, 8), 1 / 16)
    assert hash(AugmentSpec(texts, (8, 8), 1 / 16)) == hash(AugmentSpec(texts, (8, 8), 1 / 16))


@pytest.mark.parametrize("text", sorted(STRONG))
def test_members_under_vmap_equal_solo_runs(text, random, key):
    spec = AugmentSpec((text,), (6, 7, 3), 1 / FULL)
    members = jnp.asarray(np.stack([pictures(random, (6, 7, 3)).reshape(6, -1) for _ in range(3)]))
    keys = jax.random.split(key, 3)
    together = jax.vmap(lambda x, key: augment(spec, x, key=key))(members, keys)
    for member in range(3):
        solo = augment(spec, members[member], key=keys[member])
        # einsums may sum in another order: roundings of displacements of a few pixels, 2 · 255 a pixel
        np.testing.assert_allclose(together[member], solo, rtol=0, atol=64 * EPS * FULL)


def test_each_transform_draws_from_a_stream_of_its_own(key):
    # with one key for both, x and y of two shifts, or two photometric amounts, would be the same numbers
    images = np.full((500, 3, 3, 1), 128, np.uint8)
    images[:, 1, 1] = 130
    result = made(["brightness:amount=0.2", "contrast:factor=1.5"], images, key).astype(float)
    mean = result.mean(axis=(1, 2, 3))
    spread = result[:, 1, 1, 0] - result[:, 0, 0, 0]
    # no correlation within five standard deviations of one between 500 independent pairs
    assert abs(np.corrcoef(mean, np.log(spread))[0, 1]) < 5 / np.sqrt(500)


REFUSED = [
    ((), (8, 8), "augmentation names no transform"),
    (("spin",), (8, 8), "unknown augmentation 'spin'"),
    (("rotation:angle=3",), (8, 8), "unknown option of augmentation rotation 'angle'"),
    (("rotation:degrees=181",), (8, 8), "augmentation rotation: degrees must be a number in [0, 180], got 181"),
    (("shift:pixels=1.5",), (8, 8), "augmentation shift: pixels must be an integer ≥ 0, got 1.5"),
    (("scale:factor=0.9",), (8, 8), "augmentation scale: factor must be a number in [1, 4], got 0.9"),
    (("crop:share=0",), (8, 8), "augmentation crop: share must be a number in (0, 1], got 0"),
    (("shift", "shift:pixels=2"), (8, 8), "augmentation names shift twice: give it once"),
    (
        ("shift:pixels=8",),
        (8, 9),
        "augmentation shift:pixels=8: pixels must be below 8, the picture's smaller side, got 8",
    ),
    (("elastic:smoothness=9",), (8, 9), "smoothness must be below 8"),
    (("hue",), (8, 8), "augmentation hue needs images of 3 colours, these have 1 channel"),
    (("hue",), (8, 8, 4), "these have 4 channels"),
    (("shift",), None, "augmentation is for images, and the set has no image shape"),
    (("shift",), (64,), "image_shape must be (height, width) or (height, width, channels), got (64,)"),
    (("shift",), (8, 0), "got (8, 0)"),
]


@pytest.mark.parametrize(("transforms", "shape", "message"), REFUSED)
def test_what_cannot_be_is_refused_in_one_line(transforms, shape, message):
    with pytest.raises(InputError) as refused:
        AugmentSpec(transforms, shape, 1 / 255)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_an_input_scale_that_cannot_be_is_refused(scale):
    with pytest.raises(InputError, match="input_scale must be a number > 0"):
        AugmentSpec(("shift",), (8, 8), scale)


def test_rows_of_another_length_are_refused(key):
    spec = AugmentSpec(("shift",), (8, 8), 1 / 16)
    with pytest.raises(InputError, match=r"expects rows of 64 values, got an array of shape \(2, 65\)"):
        augment(spec, jnp.zeros((2, 65)), key=key)


CHANGING = [
    ("digits", "rotation:degrees=180", "a 6 half turned is a 9"),
    ("mnist", "rotation:degrees=46", "a 6 half turned is a 9"),
    ("mnist", "horizontal_flip", "a mirrored 2 looks like a 5"),
    ("svhn_cropped", "vertical_flip", "a mirrored 2 looks like a 5"),
    ("emnist", "horizontal_flip", "b and d are mirror images"),
    ("emnist/letters", "vertical_flip:probability=0.1", "b and p are mirror images"),
    ("kmnist", "rotation:degrees=90", "another one or none"),
]
KEEPING = [
    ("mnist", "rotation:degrees=45"),
    ("mnist", "horizontal_flip:probability=0"),
    ("digits", "shear:degrees=60"),
    ("svhn_cropped", "hue:degrees=180"),
    ("fashion_mnist", "horizontal_flip"),
    ("fashion_mnist", "rotation:degrees=180"),
    ("cifar10", "horizontal_flip"),
    ("my-own-folder", "vertical_flip"),
]


@pytest.mark.parametrize(("data", "text", "reason"), CHANGING)
def test_transforms_that_change_labels_are_refused_unless_forced(data, text, reason):
    transform, options = choose("augmentation", text, TRANSFORMS)
    assert reason in changes_labels(data, transform.name, options)
    for build in (
        lambda forced: check_label_safe(data, ("shift", text), forced),
        lambda forced: AugmentSpec((text,), (8, 8), 1.0, forced, data),
    ):
        with pytest.raises(InputError) as refused:
            build(False)
        for word in (text, data, reason, "--force-augmentation"):
            assert word in str(refused.value)
        assert "\n" not in str(refused.value)
        build(True)


@pytest.mark.parametrize(("data", "text"), KEEPING)
def test_transforms_that_keep_labels_are_allowed(data, text):
    transform, options = choose("augmentation", text, TRANSFORMS)
    assert changes_labels(data, transform.name, options) == ""
    check_label_safe(data, (text,))


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_records_are_complete(name):
    transform = TRANSFORMS[name]
    assert transform.name == name
    assert transform.formula
    assert transform.source
    assert isinstance(transform, Geometric | Photometric)
    assert choose("augmentation", transform.written, TRANSFORMS) == choose("augmentation", name, TRANSFORMS)
    assert all(option.meaning for option in transform.options.values())
    assert set(transform.in_pixels) <= set(transform.options)
    assert {text.partition(":")[0] for text in IDLE} == set(TRANSFORMS) == {text.partition(":")[0] for text in STRONG}


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_defaults_keep_the_labels_of_every_set_they_are_allowed_on(name):
    if "flip" not in name:
        for data in ("digits", "mnist", "emnist", "kmnist"):
            check_label_safe(data, (name,))


def test_a_step_of_real_images(shared_data: Path, key):
    source = idx.load(shared_data / "mnist")
    spec = AugmentSpec(("rotation", "shift", "elastic"), source.image_shape, source.input_scale, data=source.name)
    x = jnp.asarray(source.rows.x[:64])
    result = augment(spec, x, key=key)
    # the ink is moved, not made: interpolation keeps its sum up to what leaves the picture and sampling, a few per cent
    np.testing.assert_allclose(jnp.sum(result, axis=1), jnp.sum(x, axis=1, dtype=jnp.float32), rtol=0.15)
