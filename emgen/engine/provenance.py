"""Where a result came from: versions, machine, data."""

from __future__ import annotations

import functools
import platform
import sys
from importlib import metadata
from typing import Any

from emgen import __version__

LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-image",
    "pandas",
    "zarr",
    "albumentations",
    "torch",
    "torchvision",
    "segmentation-models-pytorch",
    "transformers",
    "torch-fidelity",
)


@functools.cache
def library_versions(names: tuple[str, ...] = LIBRARIES) -> dict[str, str]:
    """Versions of the installed ones, read without importing them."""
    return {name: version for name in names if (version := _version(name))}


def environment() -> dict[str, Any]:
    return {
        "emgen": __version__,
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "libraries": library_versions(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
