"""The peer: a continuous-time network in PyTorch as users of NeuroGym write it, weights * mask.

A script that imports nothing of this project, so that any interpreter with PyTorch can run it:
`python _torch_loop.py DEVICE NEURONS DENSITY BATCH STEPS INPUTS OUTPUTS THREADS`. For each line that it
reads it makes a training step and writes its seconds and the bytes that the process grew to, on a GPU
those that it held there at most.
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
    device, density = sys.argv[1], float(sys.argv[3])
    neurons, batch, steps, inputs, outputs, threads = map(int, [sys.argv[2], *sys.argv[4:]])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    # As JAX does by default: both multiply by matrix units, of 10 bits.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.set_default_device(device)
    before = largest()
    network = CTRNN(inputs, neurons, outputs, density)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    shown = torch.randn(steps, batch, inputs)
    labels = torch.randint(outputs, (steps * batch,))
    for _ in sys.stdin:
        start = time.perf_counter()
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(shown).reshape(-1, outputs), labels)
        loss.backward()
        optimiser.step()
        if device == "cuda":
            torch.cuda.synchronize()
        took = time.perf_counter() - start
        grown = torch.cuda.max_memory_allocated() if device == "cuda" else largest() - before
        print(took, grown, flush=True)


if __name__ == "__main__":
    main()
