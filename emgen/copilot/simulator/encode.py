"""A frame as the bytes of its file, as acquisition software writes it: not compressed, calibrated."""

from __future__ import annotations

import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emgen.copilot.simulator.frame import Frame
from emgen.copilot.simulator.settings import Simulation
from emgen.testing.phantoms.write import MARK

_NM_A_CM = 1e7


def encoded(frame: Frame, settings: Simulation) -> bytes:
    """Marked in its description as a phantom, so that it can't pass for a real micrograph."""
    facts = {"kind": MARK, "simulated": True, "seed": settings.seed, "frame": frame.facts.number}
    description = json.dumps({**facts, "modality": frame.facts.modality})
    return _mrc(frame, description) if settings.suffix == ".mrc" else _tiff(frame, description)


def _tiff(frame: Frame, description: str) -> bytes:
    import tifffile

    calibration: dict[str, Any] = {}
    if frame.facts.pixel_size_nm:
        per_cm = _NM_A_CM / frame.facts.pixel_size_nm
        calibration = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}
    file = io.BytesIO()
    tifffile.imwrite(
        file, frame.image_HW, photometric="minisblack", description=description, metadata=None, **calibration
    )
    return file.getvalue()


def _mrc(frame: Frame, description: str) -> bytes:
    """By way of a file elsewhere: mrcfile writes to no memory."""
    import mrcfile  # type: ignore[import-untyped]

    with TemporaryDirectory() as folder:
        path = Path(folder) / "frame.mrc"
        with mrcfile.new(path, frame.image_HW) as file:
            file.voxel_size = 10 * (frame.facts.pixel_size_nm or 0.0)
            file.add_label(description[:79])
        return path.read_bytes()
