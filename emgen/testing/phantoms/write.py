"""Phantoms as files, each marked as what it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from emgen.testing.phantoms.make import Phantom

MARK = "emgen phantom"
"""The ``kind`` in the description of every phantom file."""


def write_phantoms(
    folder: Path,
    phantoms: Sequence[Phantom],
    *,
    truth_folder: Path | None = None,
    dtype: Literal["uint8", "uint16"] = "uint8",
    prefix: str = "phantom",
    first: int = 1,
) -> list[Path]:
    """Write ``<prefix>-0001.tif`` … and the true instances to a sibling folder; return the paths of the images.

    The truth goes to ``truth_folder``, by default ``<folder>-truth``, as ``<stem>_labels.tif`` (uint16, or int32 above
    65 535 particles). ``first`` is the number of the first. The description of each image is JSON with its kind, seed
    and settings, so that a phantom can't pass for a real micrograph.
    """
    import tifffile

    truth_folder = truth_folder or folder.with_name(folder.name + "-truth")
    folder.mkdir(parents=True, exist_ok=True)
    truth_folder.mkdir(parents=True, exist_ok=True)
    full = np.iinfo(dtype).max
    paths = []
    for number, phantom in enumerate(phantoms, start=first):
        stem = f"{prefix}-{number:04d}"
        description = json.dumps({"kind": MARK, "simulated": True, **phantom.settings})
        paths.append(folder / f"{stem}.tif")
        image = np.round(phantom.image_HW * full).astype(dtype)
        tifffile.imwrite(paths[-1], image, description=description, compression="zlib", metadata=None)
        label = phantom.label_HW.astype(np.uint16 if phantom.label_HW.max() <= 65_535 else np.int32)
        truth = truth_folder / f"{stem}_labels.tif"
        tifffile.imwrite(truth, label, description=description, compression="zlib", metadata=None)
    return paths
