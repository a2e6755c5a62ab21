"""Trials as curves: their axes, their dimensions, and how far a network moves to time an interval.

    python examples/state_space.py [RUN]

Ends in trajectories.png, demixed.png, dimensions.png and intervals.png.
"""

import jax.numpy as jnp
from _small_network import show, subject

import ctrnn
from ctrnn import analysis


def main() -> None:
    trained = subject()

    # By hand: the same trials but for the delay, solved in continuous time, saved every 10 ms.
    battery = trained.battery
    one = analysis.ring_spec(battery, "dlygointr", key=trained.key)
    delays = 100 * jnp.arange(0, 12, dtype=one.delay.dtype)
    spec = analysis.alike(one, 12, delay=delays)
    dense = ctrnn.Integration(solver="tsit5", rtol=1e-4)
    _, trajectory = analysis.responses(
        trained.network, battery, spec, integration=dense, every=10.0
    )
    onset = int(one.fixation[0] + one.stimulus[0])
    lengths = analysis.path_length(trajectory.rates)
    print("dlygointr: delay in ms, and the distance travelled in it")
    for trial, delay in enumerate(delays.tolist()):
        travelled = lengths[(onset + delay) // 10 - 1, trial] - lengths[onset // 10 - 1, trial]
        print(f"  {delay:5d} {float(travelled):7.1f}")
    print(f"  dimensions: {float(analysis.participation_ratio(trajectory.rates)):.1f}\n")

    # All of it, as `ctrnn analyse` draws it.
    show(analysis.state_space_section, trained)


if __name__ == "__main__":
    main()
