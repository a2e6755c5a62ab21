"""Draws the pictures of the gallery page: `python docs/gallery.py` (in the root of the repository)."""

from pathlib import Path

import jax.random as jr

import tasks

SHOWN = (
    "go rtgo dlyanti dlygointr goseqr gointl dm1 ctxdm2 multidlydm dlydm1intrseql dms dnmc dmcintl"
).split()

if __name__ == "__main__":
    folder = Path("docs/images/tasks")
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHOWN:
        battery = tasks.Battery.select(name)
        trial = battery.batch(jr.key(2), 1)
        tasks.plot_trial(trial, 0, battery).savefig(folder / f"{name}.png", dpi=80)
