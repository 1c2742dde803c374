"""Augmentation as a step calls it: exact where nothing is asked, in range, seeded, compiled once, bad input refused."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fcnet.augmentation import TRANSFORMS, AugmentSpec, augment
from fcnet.augmentation.record import Geometric, Photometric
from fcnet.catalogue import choose
from fcnet.data import idx
from fcnet.errors import InputError

from .augmentation_images import EPS, FULL, SHAPES, compiled, made, pictures

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


def test_a_step_of_real_images(shared_data: Path, key):
    source = idx.load(shared_data / "mnist")
    spec = AugmentSpec(("rotation", "shift", "elastic"), source.image_shape, source.input_scale, data=source.name)
    x = jnp.asarray(source.rows.x[:64])
    result = augment(spec, x, key=key)
    # the ink is moved, not made: interpolation keeps its sum up to what leaves the picture and sampling, a few per cent
    np.testing.assert_allclose(jnp.sum(result, axis=1), jnp.sum(x, axis=1, dtype=jnp.float32), rtol=0.15)
