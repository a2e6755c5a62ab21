"""Speed and memory, measured against named peers: `python -m benchmarks --help`."""
