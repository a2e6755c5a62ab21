"""Does a trained network keep its answers when its equation is solved better?

Trains the same small network with several solvers and steps, then evaluates each with Tsit5 at
rtol 1e-5. About five minutes on two cores; prints one row per solver.
"""

import tempfile
from pathlib import Path
from typing import Literal

import ctrnn
import tasks

RECIPES: list[tuple[Literal["euler", "exponential-euler", "heun"], float]] = [
    ("euler", 100.0),
    ("euler", 20.0),
    ("exponential-euler", 50.0),
    ("heun", 100.0),
    ("heun", 50.0),
]


def main(steps: int = 1500) -> None:
    refined = ctrnn.Integration(solver="tsit5", rtol=1e-5)
    print("solver              step     as trained   refined")
    for solver, dt in RECIPES:
        config = ctrnn.Config(
            tasks="go*,dlygo*", neurons="16x16", solver=solver, dt=dt, refine_at=0.0, steps=steps
        )
        battery = tasks.Battery.select(config.tasks)
        with tempfile.TemporaryDirectory() as parent:
            folder = Path(parent) / "run"
            ctrnn.create_run(folder, config, battery)
            ctrnn.train(config, battery, folder)
            network, _ = ctrnn.load(folder / "model.eqx")
        accuracy = [
            ctrnn.make_evaluation(
                battery, trials_per_task=32, integration=integration, key=ctrnn.keys(0).held_out
            )(network).mean()
            for integration in (config.integration(), refined)
        ]
        print(f"{solver:<18} {dt:>4.0f} ms {accuracy[0]:>12.3f} {accuracy[1]:>9.3f}", flush=True)


if __name__ == "__main__":
    main()
