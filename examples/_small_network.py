"""The small trained network that the examples look into: made once, then kept."""

import fcntl
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import matplotlib

import ctrnn
import tasks
from ctrnn import analysis


def subject() -> analysis.Subject:
    """The run given on the command line, or the tiny preset, trained on the first call (a minute)."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _tiny()
    config = ctrnn.open_run(folder)
    battery = tasks.Battery.select(config.tasks)
    network, _ = ctrnn.load(folder / "model.eqx")
    keys = ctrnn.keys(config.seed)
    untrained = config.network(
        battery.in_size, len(battery.names), battery.out_size, key=keys.network
    )
    return analysis.Subject(network, untrained, battery, config.integration(), keys.held_out)


def _tiny() -> Path:
    config = ctrnn.Config(**ctrnn.PRESETS["tiny"])
    folder = Path.home() / ".cache/ctrnn" / f"tiny-{zlib.crc32(config.to_toml().encode()):08x}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two pages of the site may ask at once
        if not (folder / "summary.json").exists():
            print(f"training the tiny preset in {folder} ...", file=sys.stderr, flush=True)
            battery = tasks.Battery.select(config.tasks)
            if not folder.exists():
                ctrnn.create_run(folder, config, battery)
            ctrnn.train(config, battery, folder)
    return folder


def show(make: Callable[[analysis.Subject], analysis.Section], subject: analysis.Subject) -> None:
    """Makes a section of the report, prints its numbers and writes its pictures here."""
    with matplotlib.rc_context(analysis.STYLE):
        section = make(subject)
    print(section.title, "-", section.text)
    for name, value in section.numbers.items():
        print(f"  {name}: {value}")
    for name, figure in section.figures.items():
        figure.savefig(f"{name}.png", dpi=120)
        print(f"  drawn in {name}.png")
