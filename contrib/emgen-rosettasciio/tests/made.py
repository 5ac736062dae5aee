"""Small files for the tests, written by RosettaSciIO itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from emgen_rosettasciio.formats import FORMATS
from numpy.typing import NDArray

ACROSS = ("y", "x")


def axis(name: str, size: int, *, scale: float = 2.0, units: str = "nm", navigate: bool = False) -> dict[str, Any]:
    fixed = {"_type": "UniformDataAxis", "offset": 0.0, "is_binned": False}
    return {**fixed, "name": name, "size": size, "scale": scale, "units": units, "navigate": navigate}


def signal(data: NDArray[Any], axes: Sequence[Mapping[str, Any]], **metadata: Any) -> dict[str, Any]:
    """A signal dictionary as ``rsciio``'s writers take it."""
    return {
        "data": data,
        "axes": [{**one, "index_in_array": i} for i, one in enumerate(axes)],
        "metadata": {"General": {"title": "HAADF"}, "Signal": {"signal_type": ""}, **metadata},
        "original_metadata": {},
        "attributes": {"_lazy": False},
        "learning_results": {},
        "models": {},
        "package_info": {"package": "hyperspy", "package_version": "2.0"},
        "tmp_parameters": {},
    }


def image_signal(image: NDArray[Any], *, scale: float = 2.0, units: str = "nm", **metadata: Any) -> dict[str, Any]:
    """An image (H, W), or a stack of them along ``time`` in seconds, half a second apart."""
    axes = [axis(name, size, scale=scale, units=units) for name, size in zip(ACROSS, image.shape[-2:], strict=True)]
    if image.ndim == 3:
        axes = [axis("time", len(image), scale=0.5, units="s", navigate=True), *axes]
    return signal(image, axes, **metadata)


def write(path: Path, made: Mapping[str, Any], **how: Any) -> Path:
    """Into a file of the format that its suffix names, anew."""
    path.unlink(missing_ok=True)
    import_module(FORMATS[path.suffix].module).file_writer(str(path), dict(made), **how)
    return path


def picture(shape: tuple[int, ...] = (40, 56), dtype: str = "uint16") -> NDArray[Any]:
    found: NDArray[Any] = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
    return found
