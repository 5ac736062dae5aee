"""Devices, precision and reproducible arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """Mixed precision on a GPU; nothing on a CPU or for ``float32``."""
    if precision == "float32" or not device.startswith("cuda"):
        return nullcontext()
    return torch.autocast(device_type="cuda", dtype=_DTYPES[precision])


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seeds torch inside the block and gives the caller's random state back after it."""
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=list(cuda)):
        torch.manual_seed(seed)
        yield
