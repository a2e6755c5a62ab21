"""Pictures: colours that can be told apart, panels that have room and something in them."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import ctrnn
from ctrnn import analysis
from ctrnn.analysis import (
    _directions,
    _draw_lesions,
    _draw_state_space,
    _psychophysics,
    _similarity,
    _variance,
)

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


def names_of(count):
    return tuple(f"ctxdlydm1intrseq{i}" for i in range(count))


def curve():
    values = np.linspace(0, 1, 13).tolist()
    fit = {"fit": [0.0, 0.1, 0.0, 0.1], "neither": values}
    return {"coherence": values, "first": values, "ideal": values} | fit


def error():
    rows = {name: [0.5] * 12 for name in ("error", "ideal", "responded")}
    return {"interval (ms)": list(range(0, 1101, 100))} | rows


def pictures(count):
    """The report's pictures whose size goes with the number of tasks, networks or clusters."""
    names, rng = names_of(count), np.random.default_rng(0)
    some = min(count, 12)
    yield _similarity._draw([f"run {i} (0.123)" for i in range(some)], *rng.random((2, some, some)))
    yield _psychophysics._draw_curves(dict.fromkeys(names[:10], curve()))
    yield _psychophysics._draw_errors(dict.fromkeys(names[:30], error()))
    yield _draw_lesions.draw_clusters(
        rng.random((min(count + 1, 20), count)), [5] * min(count + 1, 20), names
    )
    clusters = analysis.Clusters(np.repeat(np.arange(4), 25), {2: 0.3, 3: 0.5, 4: 0.6})
    yield _variance._draw_profiles(rng.random((100, count)), clusters, names)
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    _draw_state_space.draw_dimensions(figure.subplots(), dict.fromkeys(names, 3.0))
    yield figure


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 7, 132])
def test_every_panel_has_room_and_every_legend_is_on_the_page(count):
    for figure in pictures(count):
        figure.draw_without_rendering()
        page, inch = figure.bbox, figure.dpi
        for axes in figure.axes:
            box = axes.get_window_extent()
            bar = axes.get_label() == "<colorbar>"
            assert box.height > 0.75 * inch and (bar or box.width > 0.9 * inch), axes.get_title()
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert page.x0 <= box.x0 and box.x1 <= page.x1 and box.y1 <= page.y1


def test_a_sheet_is_drawn_where_its_neurons_lie_in_colours_of_their_groups():
    space, labels = ctrnn.Sheet(2, 3, periodic=False), np.array([0, 1, 2, 15, -1, 0])
    colours = analysis.group_colours(labels)
    assert len(np.unique(colours, axis=0)) == 5 and (colours[4] == 0.9).all()
    assert to_hex(colours[1]).upper() == analysis.OKABE_ITO[1]
    axes = Figure().subplots()
    tiles = analysis.draw_sheet(axes, space, colours)
    corners = np.array([path.vertices[:4] for path in tiles.get_paths()])
    np.testing.assert_allclose(corners.mean(1)[:, ::-1], space.positions, atol=1e-6)
    np.testing.assert_allclose(np.ptp(corners, axis=1), 0.05, rtol=1e-5)  # tiles meet
    assert axes.get_xlabel() == axes.get_ylabel() == "mm"
