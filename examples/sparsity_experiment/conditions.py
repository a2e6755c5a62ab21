"""What is trained: the conditions of the plan (docs/science/plan.md) as settings."""

from typing import Any

import ctrnn

LEARNING_RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
FIRST_TRIED = {"20": (1e-3, 3e-3, 1e-2), "132": (3e-3, 1e-2, 3e-2)}
TUNING_SEED, SEEDS = 100, (0, 1, 2)
EVALUATIONS = 32
STEPS, TUNING_STEPS = {"20": 1536, "132": 2048}, 768

CONDITIONS: dict[str, dict[str, Any]] = {
    **{f"locality {d}%": dict(connectivity="locality", sparsity=d / 100) for d in (1, 2, 4, 8, 16)},
    "dense": dict(connectivity="dense"),
    "autapses": dict(connectivity="autapse"),
    **{
        f"{kind} {d}%": dict(connectivity=kind, sparsity=d / 100)
        for kind in ("random", "rewired")
        for d in (4, 16)
    },
    # Random graphs have hardly an autapse, which begins as a memory: is that what locality has?
    "locality 4%, autapses from 0": dict(connectivity="locality", sparsity=0.04, autapse=0.0),
    "locality 1%, 800": dict(connectivity="locality", sparsity=0.01, neurons="20x40"),
    "locality 2%, 576": dict(connectivity="locality", sparsity=0.02, neurons="24x24"),
    "locality 8%, 280": dict(connectivity="locality", sparsity=0.08, neurons="14x20"),
    "locality 16%, 200": dict(connectivity="locality", sparsity=0.16, neurons="10x20"),
    "dense, 80": dict(connectivity="dense", neurons="8x10"),
}

LOCALITY = tuple(f"locality {d}%" for d in (1, 2, 4, 8, 16))
EQUAL_SYNAPSES = (
    "locality 1%, 800",
    "locality 2%, 576",
    "locality 4%",
    "locality 8%, 280",
    "locality 16%, 200",
)
_EXACT = ", bosh3"
EXACT = tuple(f"{condition}{_EXACT}" for condition in ("locality 4%", "dense"))
"""Conditions that were trained again, at the same learning rate, with a solver of third order."""


def planned(condition: str) -> str:
    """The condition whose learning rate this one takes: itself, unless it is of `EXACT`."""
    return condition.removesuffix(_EXACT)


def config(condition: str, battery: str, learning_rate: float, seed: int) -> ctrnn.Config:
    """The settings of one run; those that tune the learning rate are shorter."""
    steps = TUNING_STEPS if seed == TUNING_SEED else STEPS[battery]
    settings: dict[str, Any] = {"neurons": "20x20"} | CONDITIONS[planned(condition)]
    if condition in EXACT:
        settings["solver"] = "bosh3"
    return ctrnn.Config(
        **settings,
        tasks=battery,
        dt=100.0,
        steps=steps,
        learning_rate=learning_rate,
        length_classes=1,
        seed=seed,
        evaluate_every=steps // EVALUATIONS,
    )


def name(condition: str, battery: str, learning_rate: float, seed: int) -> str:
    """The folder of one run."""
    words = "".join(x if x.isalnum() else "-" for x in condition.replace("%", ""))
    return f"{battery}_{words}_{learning_rate:g}_seed{seed}"
