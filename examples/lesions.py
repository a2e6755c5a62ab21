"""What breaks when a patch of the sheet falls silent, or synapses of one length are cut?

    python examples/lesions.py [RUN]

A lesioned network is a network: evaluate it as any other. Ends in lesions.png.
"""

import numpy as np
from _small_network import show, subject

import ctrnn
from ctrnn import analysis


def main() -> None:
    trained = subject()
    network, battery = trained.network, trained.battery

    # By hand: the neurons that answer one task most, silenced.
    evaluate = ctrnn.make_evaluation(
        battery, trials_per_task=32, integration=trained.integration, key=trained.key
    )
    spec = analysis.task_spec(battery, "dlygo", 32, key=trained.key)
    _, trajectory = analysis.responses(network, battery, spec, integration=trained.integration)
    variance = np.var(np.asarray(trajectory.rates), axis=1).mean(0)
    cluster = variance >= np.quantile(variance, 0.9)
    lost = analysis.damage(evaluate, network, [analysis.silence(network, cluster)])[0]
    print("accuracy lost without the tenth of neurons that vary most in dlygo:")
    for name, value in zip(battery.names, lost, strict=True):
        print(f"  {name:12s} {value:.2f}")
    print()

    # All of it, as `ctrnn analyse` draws it.
    show(analysis.lesions_section, trained)


if __name__ == "__main__":
    main()
