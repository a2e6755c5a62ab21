import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

import ctrnn

# Pages that the system had to give while 64 MiB were taken, filled and freed, ten times over; and
# whether a part of the process has asked for large pages.
_PROGRAM = """
import ctypes, resource, sys
import ctrnn
kept = sys.argv[1] == "keep" and ctrnn.keep_memory(256)
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def take():
    piece = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(2**26)))
    libc.memset(piece, 1, ctypes.c_size_t(2**26))
    libc.free(piece)
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    take()
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
flags = [line.split() for line in open("/proc/self/smaps") if line.startswith("VmFlags")]
print(faults, kept, any("hg" in of for of in flags))
"""


def _run(mode):
    usual = {k: v for k, v in os.environ.items() if not k.startswith(("GLIBC_", "MALLOC_"))}
    usual["JAX_PLATFORMS"] = "cpu"
    command = [sys.executable, "-c", _PROGRAM, mode]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=usual)
    faults, kept, large = answer.stdout.split()
    return int(faults), kept == "True", large == "True"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept with glibc alone")
def test_memory_that_was_freed_is_not_asked_for_again():
    faults, kept, large = _run("keep")
    assert kept and faults < 100
    assert large == Path("/sys/kernel/mm/transparent_hugepage").exists()
    faults, kept, large = _run("leave")
    assert not kept and not large and faults > 100


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not ctrnn.keep_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="memory is kept with glibc alone")
def test_memory_is_given_back_where_there_may_be_a_gpu(monkeypatch):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr("ctrnn._memory.entry_points", lambda group: [group])
    assert not ctrnn.keep_memory()
