"""Pictures: colours that can be told apart, panels that have room and something in them."""

import numpy as np
import pytest

from ctrnn.analysis import _directions

# Machado, Oliveira & Fernandes, IEEE Transactions on Visualization and Computer Graphics 15 (2009):
# linear RGB as people without one kind of cone see it.
SEEN_BY = {
    "trichromat": np.eye(3),
    "deuteranope": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanope": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(rgb):
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(light):
    f = np.cbrt(light @ XYZ.T / XYZ.sum(1))
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


@pytest.mark.parametrize("who", SEEN_BY)
def test_sixteen_directions_are_told_apart_and_show_on_white(who):
    colours = np.array([_directions.direction_colour(i, 16)[:3] for i in range(16)])
    light = np.clip(linear(colours) @ np.array(SEEN_BY[who]).T, 0, 1)
    places = lab(light)
    steps = np.linalg.norm(places - np.roll(places, 1, 0), axis=1)
    apart = np.linalg.norm(places[:, None] - places, axis=-1)[~np.eye(16, dtype=bool)]
    assert apart.min() > 5  # in Lab, where 2.3 is just noticeable
    assert steps.max() < 3.5 * steps.min()
    opposite = np.linalg.norm(places - np.roll(places, 8, 0), axis=1)
    assert opposite.min() > 40
    assert (1.05 / (light @ XYZ[1] + 0.05)).min() > 2.9  # contrast to white


def test_directions_close_the_circle():
    np.testing.assert_allclose(
        _directions.direction_colour(0, 16), _directions.direction_colour(16, 16), atol=0.02
    )
