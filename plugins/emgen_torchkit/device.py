"""Devices, precision and reproducible arithmetic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import nn

Net = TypeVar("Net", bound=nn.Module)
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: str, precision: str) -> AbstractContextManager[object]:
    """Mixed precision; nothing for ``float32``."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device_type=device.partition(":")[0], dtype=_DTYPES[precision])


def to_device(net: Net, device: str) -> Net:
    """Moves a network, its weights channels-last: convolutions are faster so, on CPUs and GPUs."""
    moved: Net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seeds torch inside the block and gives the caller's random state back after it."""
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=list(cuda)):
        torch.manual_seed(seed)
        yield
