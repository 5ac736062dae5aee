"""Micrographs and specs for runs on the instant fakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def disc_image(seed: int, shape_HW: tuple[int, int] = (160, 176), radius: float = 6.0, count: int = 18) -> Any:
    """Bright discs on a noisy background, uint16."""
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[: shape_HW[0], : shape_HW[1]]
    image = rng.normal(2000.0, 150.0, shape_HW)
    for _ in range(count):
        y, x = rng.uniform(radius, np.array(shape_HW) - radius)
        image[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] += 4000.0
    return np.clip(image, 0, 65535).astype(np.uint16)


def write_images(folder: Path, count: int = 3, **how: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        np.save(folder / f"image{index}.npy", disc_image(index, **how))
    return folder


def small_spec(images: Path, **changes: Any) -> dict[str, Any]:
    """A run of about a second."""
    spec: dict[str, Any] = {
        "images": [str(images)],
        "modality": "fake-modality",
        "device": "cpu",
        "data": {"crop": 32, "working_diameter": 8.0, "crops_per_micrograph": 6},
        "split": {"guard": 4},
        "virtual": {"images": 20, "response": 8},
        "checkpoints": {"candidates": 2, "probes": 8},
    }
    return {**spec, **changes}
