"""Where and how exactly to compute.

The core imports no torch. ``auto`` must still know whether a GPU is there, so this one function looks for torch when a
run starts, by name, and takes the CPU where torch is missing (the fakes, and plugins that need no torch, run without).
"""

from __future__ import annotations

import importlib
from typing import Any

from emgen.errors import PreflightError
from emgen.stages import Precision


def pick_device(wanted: str) -> str:
    """``cpu`` or ``cuda``. Raises ``PreflightError`` for a ``cuda`` that is not there."""
    if wanted == "cpu":
        return "cpu"
    cuda = _cuda()
    if wanted == "cuda" and cuda is None:
        raise PreflightError(
            "device: cuda was asked for, but torch sees no GPU. Write `device: auto` or `device: cpu`."
        )
    return "cpu" if cuda is None else "cuda"


def pick_precision(wanted: str, device: str) -> Precision:
    """``auto`` is float32 on a CPU; on a GPU bfloat16, or float16 where the GPU lacks it."""
    if wanted != "auto":
        return wanted  # type: ignore[return-value]
    if device == "cpu":
        return "float32"
    cuda = _cuda()
    return "bfloat16" if cuda is not None and cuda.is_bf16_supported() else "float16"


def device_name(device: str) -> str:
    """For the manifest: ``cpu``, or the GPU's own name."""
    cuda = _cuda() if device == "cuda" else None
    return str(cuda.get_device_name()) if cuda is not None else device


def _cuda() -> Any:
    """``torch.cuda`` if it can be used, else ``None``."""
    try:
        cuda = importlib.import_module("torch").cuda
    except ImportError:
        return None
    return cuda if cuda.is_available() else None
