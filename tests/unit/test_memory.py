"""Freed memory that stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource
import numpy as np
from emgen.memory import keep_freed_memory

if {kept}:
    assert keep_freed_memory()
for _ in range(5):
    np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_arrays_take_pages_that_are_there() -> None:
    faults = {}
    for kept in (True, False):
        ran = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(kept=kept)], capture_output=True, text=True, check=True
        )
        faults[kept] = int(ran.stdout)
    assert faults[True] < faults[False] / 10
