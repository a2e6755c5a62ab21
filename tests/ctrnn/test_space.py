"""Spaces: where neurons are, and how far apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ctrnn

SPACES = [
    ctrnn.Sheet(5, 8),
    ctrnn.Sheet(5, 8, periodic=False),
    ctrnn.Ring(11, spacing=0.1),
    ctrnn.Volume(3, 4, 5),
    ctrnn.Volume(3, 4, 5, periodic=False),
    ctrnn.Points(np.random.default_rng(0).normal(size=(30, 3))),
]


def all_distances(space):
    """Every pair of neurons, through every image of a periodic space."""
    positions = space.positions
    gaps = positions[:, None] - positions
    if space.box is not None:
        gaps -= np.round(gaps / space.box) * space.box
    return np.linalg.norm(gaps, axis=-1)


@pytest.mark.parametrize("space", SPACES)
def test_distance_is_the_short_way(space):
    i, j = np.indices((space.size, space.size))
    distances = space.distance(i, j)
    np.testing.assert_allclose(distances, all_distances(space), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(distances, distances.T)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("k", [1, 7])
def test_neighbours_are_the_nearest(space, k):
    indices, distances = space.neighbours(k)
    assert indices.shape == distances.shape == (space.size, k)
    every = all_distances(space)
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :k], atol=1e-12)
    np.testing.assert_allclose(distances, np.take_along_axis(every, indices, 1), atol=1e-12)


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), spacing=st.floats(0.01, 10))
@settings(max_examples=20, deadline=None)
def test_a_sheet_is_row_major_in_mm(rows, columns, spacing):
    sheet = ctrnn.Sheet(rows, columns, spacing=spacing)
    assert sheet.positions.shape == (rows * columns, 2)
    np.testing.assert_allclose(sheet.positions[-1], [(rows - 1) * spacing, (columns - 1) * spacing])
    if columns > 1:
        np.testing.assert_allclose(sheet.positions[1], [0, spacing])


def test_opposite_edges_meet_only_if_periodic():
    corner, opposite = jnp.array(0), jnp.array(99)
    assert ctrnn.Sheet(10, 10, spacing=1.0).distance(corner, opposite) == pytest.approx(2**0.5)
    open_sheet = ctrnn.Sheet(10, 10, spacing=1.0, periodic=False)
    assert open_sheet.distance(corner, opposite) == pytest.approx(9 * 2**0.5)


@pytest.mark.parametrize("space", SPACES)
def test_a_space_has_nothing_to_train(space):
    assert jax.tree.leaves(space) == []


def test_equal_points_are_the_same_static_value():
    points = SPACES[-1]
    again = ctrnn.Points(points.positions)
    assert again == points and hash(again) == hash(points)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ctrnn.Sheet(0, 5), "at least 1 neuron"),
        (lambda: ctrnn.Ring(5, spacing=0.0), "spacing"),
        (lambda: ctrnn.Points(np.zeros(5)), "shape"),
        (lambda: ctrnn.Points(np.full((5, 2), np.nan)), "finite"),
        (lambda: ctrnn.Sheet(2, 2).neighbours(5), "between 1 and 4"),
    ],
)
def test_impossible_spaces_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
