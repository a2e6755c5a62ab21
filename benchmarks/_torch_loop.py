"""The peer: a continuous-time network in PyTorch as users of NeuroGym write it, weights * mask.

A script that imports nothing of this project, so that any interpreter with PyTorch can run it:
`python _torch_loop.py NEURONS DENSITY BATCH STEPS INPUTS OUTPUTS THREADS`. For each line that it
reads it makes a training step and writes its seconds and the bytes that the process grew to.
"""

import re
import sys
import time
from pathlib import Path

import torch  # pyright: ignore[reportMissingImports] an extra
from torch import nn  # pyright: ignore[reportMissingImports] an extra

ALPHA = 0.2  # step over time constant


class CTRNN(nn.Module):
    def __init__(self, inputs, neurons, outputs, density):
        super().__init__()
        self.input_to_hidden = nn.Linear(inputs, neurons)
        self.hidden_to_hidden = nn.Linear(neurons, neurons)
        self.readout = nn.Linear(neurons, outputs)
        self.register_buffer("mask", (torch.rand(neurons, neurons) < density).float())

    def forward(self, inputs):
        weights = self.hidden_to_hidden.weight * self.mask
        hidden = torch.zeros(inputs.shape[1], len(weights))
        states = []
        for now in inputs:
            drive = self.input_to_hidden(now) + nn.functional.linear(
                hidden, weights, self.hidden_to_hidden.bias
            )
            hidden = hidden * (1 - ALPHA) + torch.relu(drive) * ALPHA
            states.append(hidden)
        return self.readout(torch.stack(states))


def largest() -> int:
    """The most bytes that this process has held; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text() if status.exists() else "")
    return 1024 * int(found[1]) if found else 0


def main():
    neurons, batch, steps, inputs, outputs, threads = (
        int(x) for i, x in enumerate(sys.argv[1:]) if i != 1
    )
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    before = largest()
    network = CTRNN(inputs, neurons, outputs, float(sys.argv[2]))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    shown = torch.randn(steps, batch, inputs)
    labels = torch.randint(outputs, (steps * batch,))
    for _ in sys.stdin:
        start = time.perf_counter()
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(shown).reshape(-1, outputs), labels)
        loss.backward()
        optimiser.step()
        took = time.perf_counter() - start
        print(took, largest() - before, flush=True)


if __name__ == "__main__":
    main()
