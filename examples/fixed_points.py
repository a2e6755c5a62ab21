"""What holds a memory? Fixed and slow points of a trained network, and the ring that they lie on.

    python examples/fixed_points.py [RUN]

Finds where the flow of the delay of a memory task is slow, how stable it is there, and how a
direction that is held drifts. Ends in fixed_points.png.
"""

import jax.numpy as jnp
import numpy as np
from _small_network import show, subject

from ctrnn import analysis


def main() -> None:
    trained = subject()
    network, battery = trained.network, trained.battery

    # By hand: hold the input of a moment in the delay, and search from where the trials end up.
    spec = analysis.ring_spec(battery, "dlygo", key=trained.key)
    trial, trajectory = analysis.responses(network, battery, spec, integration=trained.integration)
    delay_ends = int(spec.fixation[0] + spec.stimulus[0] + spec.delay[0])
    path = trial.path("step")
    field = analysis.HeldField(
        network, path.evaluate(jnp.array(delay_ends - 50.0))[0], trial.rule[0]
    )
    visited = trajectory.rates[round(delay_ends / battery.dt) - 1]
    points = analysis.fixed_points(field, visited, steps=300)
    leading = analysis.eigenvalues(field, points.states[:3])[:, 0]
    print("slowest points of dlygo's delay, from its 16 directions:")
    for speed, value in zip(points.speed, leading, strict=False):
        fate = "decays" if value.real < 0 else "grows"
        tau = abs(1 / value.real)
        print(f"  {1000 * speed:.2f} rates/s; its slowest perturbation {fate} in {tau:.0f} ms")
    drift, _ = analysis.ring_drift(field, visited)
    print(f"  drift of what is held: {1000 * np.rad2deg(np.abs(drift)).mean():.1f} degrees/s\n")

    # All of it, as `ctrnn analyse` draws it.
    show(analysis.fixed_points_section, trained)


if __name__ == "__main__":
    main()
