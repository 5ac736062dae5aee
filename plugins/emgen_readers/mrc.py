"""MRC images, stacks and movies, by mrcfile. The data stay on disk until a frame is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np

from emgen.data.frames import Frames, memory_mapped, series_length
from emgen.data.units import PixelSize, pixel_size

IMOD_STAMP, IMOD_STAMP_AT, IMOD_SIGNED = 1146047817, 40, 1
"""IMOD marks its files at byte 152, and the flags after it say whether bytes are signed; in MRC2014 they are."""
SECONDS_A_DAY = 86400.0
VOLUME = "the header calls it a volume; its sections are taken as micrographs"


class MrcReader:
    """Opens .mrc, .mrcs, .st, .rec, .map; a stack or volume has one micrograph a section."""

    def open(self, path: Path) -> Frames:
        """Reads the headers. Raises ``ValueError`` for a damaged one, or where the data end early."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a file longer than its header says is no harm
            with mrcfile.mmap(path, mode="r") as file:
                data = file.data
                lengths = data.shape[:-2]
                count = series_length(lengths, ("section",) if len(lengths) == 1 else ("volume", "section"), path)
                dtype = np.dtype("u1") if _holds_unsigned_bytes(file) else data.dtype
                read = memory_mapped(path, dtype, 1024 + int(file.header.nsymbt), data.shape[-2:])
                extended = _extended(file)
                notes = (VOLUME,) if file.is_volume() and count > 1 else ()
                return Frames(
                    path,
                    count,
                    read,
                    size=_pixel_size(file, extended, path),
                    facts={**_facts(extended), "notes": notes},
                    facts_of=_times(extended),
                )


def _holds_unsigned_bytes(file: Any) -> bool:
    if int(file.header.mode) != 0:
        return False
    order = file.header.nx.dtype.byteorder
    stamp, flags = np.frombuffer(bytes(file.header.extra2), np.dtype("i4").newbyteorder(order), 2, IMOD_STAMP_AT)
    return bool(stamp == IMOD_STAMP and not flags & IMOD_SIGNED)


def _pixel_size(file: Any, extended: Any, path: Path) -> PixelSize:
    """From the cell over the grid, in ångström; 0 means that nobody gave it."""
    header = file.header
    sides = [(float(header.cella[axis]), int(header[f"m{axis}"])) for axis in "xy"]
    if all(cell and grid for cell, grid in sides):
        return pixel_size([(cell / grid, "Å") for cell, grid in sides], path, "the cell (cella / mx, my)")
    if extended is not None and extended[0]["Pixel size X"]:
        metres = [(float(extended[0][f"Pixel size {axis}"]), "m") for axis in "XY"]
        return pixel_size(metres, path, "the pixel size of the extended header")
    return PixelSize(why="the header gives no cell (cella is 0)")


def _extended(file: Any) -> Any:
    """The extended header of FEI and Thermo Fisher files, a row a section; ``None`` of others."""
    table = file.indexed_extended_header if bytes(file.header.exttyp) in (b"FEI1", b"FEI2") else None
    return table if table is not None and len(table) else None


def _facts(extended: Any) -> dict[str, Any]:
    if extended is None:
        return {}
    first = extended[0]
    names = {"microscope": "Microscope type", "detector": "Camera name", "magnification": "Magnification"}
    found = {name: first[field] for name, field in names.items() if field in first.dtype.names}
    plain = {name: value.decode().strip("\0 ") if isinstance(value, bytes) else value for name, value in found.items()}
    plain["voltage_kv"] = float(first["HT"]) / 1000 if "HT" in first.dtype.names else 0.0
    return {name: value if isinstance(value, str) else float(value) for name, value in plain.items() if value}


def _times(extended: Any) -> Callable[[int], Mapping[str, Any]]:
    """Times since the first section; dates are stored in days."""
    if extended is None or "Timestamp" not in extended.dtype.names:
        return lambda index: {}
    seconds = (extended["Timestamp"].astype(float) - float(extended["Timestamp"][0])) * SECONDS_A_DAY
    if not seconds.any():
        return lambda index: {}
    return lambda index: {"time_s": round(float(seconds[index]), 3)} if index < len(seconds) else {}
