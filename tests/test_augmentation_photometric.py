"""Maps of values: closed forms of brightness, contrast, hue and noise."""

import colorsys

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from fcnet.augmentation.photometric import contrasted, hue_matrix

from .augmentation_images import EPS, FULL, each, made, pictures


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
