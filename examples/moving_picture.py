"""A moving picture of a trained sheet solving a task: what comes in, what the neurons do, what is read out.

python examples/moving_picture.py models/mod-cog-132.eqx --task dlygoseqr --out docs/images/sheet.gif
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

import ctrnn
import tasks

FRAME = 50.0  # ms of a trial per picture
LAST = 700  # ms that the last picture stays
WARM = LinearSegmentedColormap.from_list("warm", ["#f4f4f4", "#F0B070", "#D55E00", "#5a1a00"])


def answer(network, battery, task, seed):
    """One noiseless trial, and the network's rates and odds at the end of each picture."""
    spec = battery.sample(jr.key(seed), jnp.array([battery.names.index(task)]))
    trial = battery.render(spec)
    end = battery.dt * int(trial.length[0])
    times = np.arange(1, round(end / FRAME) + 1) * FRAME
    how = ctrnn.Integration("bosh3", dt=FRAME / 2)
    trajectory = network(trial.path(), times, context=trial.rule, integration=how)
    odds = jax.nn.softmax(trajectory.outputs[:, 0])
    return trial, times, np.asarray(trajectory.rates)[:, 0], np.asarray(odds)


def pictures(network, battery, task, seed):
    trial, times, rates, odds = answer(network, battery, task, seed)
    shape = network.graph.space.shape
    top = np.quantile(rates, 0.995)
    angle = 2 * np.pi * np.arange(16) / 16
    circle = np.cos(angle), np.sin(angle)

    figure = Figure(figsize=(7.6, 3.5), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 1.25, 1])
    figure.suptitle(f"{task}: {battery.describe(task)[1]}", fontsize=9)
    for axis, title in ((left, "input"), (middle, "rates on the sheet"), (right, "readout")):
        axis.set(aspect="equal", xticks=[], yticks=[], title=title)
        axis.title.set_fontsize(10)
        axis.spines[:].set_visible(axis is middle)
        if axis is not middle:
            axis.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5))
    style = dict(vmin=0, vmax=0.8, cmap=WARM, edgecolors="0.6", linewidths=0.5)
    rings = [
        left.scatter(r * circle[0], r * circle[1], c=angle * 0, s=70, **style) for r in (1.2, 0.75)
    ]
    fixation = left.scatter([0], [0], c=[0.0], marker="P", s=110, **style)
    left.text(0, -0.3, "fixate", ha="center", fontsize=8)
    sheet = middle.imshow(np.zeros(shape), vmin=0, vmax=top, cmap=WARM, interpolation="nearest")
    style["vmax"] = 1.0
    answers = right.scatter(*np.multiply(circle, 1.2), c=angle * 0, s=90, **style)
    stay = right.scatter([0], [0], c=[0.0], marker="P", s=110, **style)
    due = right.scatter([], [], s=260, facecolors="none", edgecolors="#0072B2", linewidths=1.8)
    right.text(0, -0.3, "fixate", ha="center", fontsize=8)
    right.text(0, -1.5, "blue: the right answer", ha="center", fontsize=8, color="#0072B2")
    clock = middle.text(0.5, -0.07, "", transform=middle.transAxes, ha="center", fontsize=9)

    for i, time in enumerate(times):
        k = int((time - 1e-6) // battery.dt)
        seen, label = np.asarray(trial.inputs)[0, k], int(trial.labels[0, k])
        for ring, channels in zip(rings, (seen[1:17], seen[17:]), strict=True):
            ring.set_array(channels)
        fixation.set_array(0.8 * seen[:1])
        sheet.set_data(rates[i].reshape(shape))
        answers.set_array(odds[i, 1:])
        stay.set_array(odds[i, :1])
        due.set_offsets([[0, 0]] if label == 0 else 1.2 * np.transpose(circle)[[label - 1]])
        period = tasks.PERIODS[int(trial.period[0, k])]
        clock.set_text(f"{time:4.0f} ms, {period}")
        canvas.draw()
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a checkpoint, such as RUN/model.eqx")
    parser.add_argument("--task", default="dlygoseqr")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("sheet.gif"))
    options = parser.parse_args()
    network, header = ctrnn.load(options.model)
    battery = tasks.Battery.select(header.config["tasks"])
    frames = list(pictures(network, battery, options.task, options.seed))
    palette = frames[len(frames) // 2].quantize(96)  # one palette, so that colours hold still
    frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    shown = [90] * (len(frames) - 1) + [LAST]
    frames[0].save(options.out, save_all=True, append_images=frames[1:], duration=shown, loop=0)
    print(f"wrote {options.out}: {len(frames)} pictures, {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
