import subprocess
import sys

import pytest

# Pages that the system had to give while 64 MiB were taken, filled and freed, ten times over.
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
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, kept)
"""


def _faults(mode):
    run = [sys.executable, "-c", _PROGRAM, mode]
    faults, kept = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    return int(faults), kept == "True"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is kept on Linux alone")
def test_memory_that_was_freed_is_not_asked_for_again():
    faults, kept = _faults("keep")
    if not kept:
        pytest.skip("this C library is not glibc")
    assert faults < 100 < _faults("leave")[0]
