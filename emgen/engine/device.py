"""Where and how exactly to compute.

The core imports no torch. ``auto`` must still know whether a GPU is there, so this one function looks for torch when a
run starts, by name, and takes the CPU where torch is missing (the fakes, and plugins that need no torch, run without).
"""

from __future__ import annotations

import importlib
import sys
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


def foresee_device(wanted: str) -> str:
    """What ``pick_device`` would most likely say, in no time: it asks the driver of the GPU and leaves torch alone.

    Raises as ``pick_device``. Where the driver shows no GPU but torch is built for other ones, torch is asked.
    """
    build = _torch_build()
    if wanted == "cpu" or (wanted == "auto" and "rocm" not in build and not _driver_sees_gpu()):
        return "cpu"
    return "cuda" if build and "+cpu" not in build and _driver_sees_gpu() else pick_device(wanted)


def pick_precision(wanted: str, device: str) -> Precision:
    """``auto`` is bfloat16 where the device computes it natively; else float32 on a CPU, float16 on a GPU."""
    if wanted != "auto":
        return wanted  # type: ignore[return-value]
    if device == "cpu":
        return "bfloat16" if _cpu_has_bfloat16() else "float32"
    cuda = _cuda()
    return "bfloat16" if cuda is not None and cuda.is_bf16_supported() else "float16"


def device_name(device: str) -> str:
    """For the manifest: ``cpu``, or the GPU's own name."""
    cuda = _cuda() if device == "cuda" else None
    return str(cuda.get_device_name()) if cuda is not None else device


def _cpu_has_bfloat16() -> bool:
    """By instructions of its own: where they are missing, bfloat16 is slower than float32, not faster."""
    try:
        cpu = importlib.import_module("torch").cpu
    except ImportError:
        return False
    asked: dict[str, Any] = getattr(cpu, "get_capabilities", dict)()
    return any(asked.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _cuda() -> Any:
    """``torch.cuda`` if it can be used, else ``None``."""
    try:
        cuda = importlib.import_module("torch").cuda
    except ImportError:
        return None
    return cuda if cuda.is_available() else None


def _torch_build() -> str:
    """Such as ``2.4.0+cpu`` or ``2.4.0+rocm6.1``; empty where torch is missing."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def _driver_sees_gpu() -> bool:
    """Whether NVIDIA's driver is installed and shows this process a GPU."""
    import ctypes

    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0
