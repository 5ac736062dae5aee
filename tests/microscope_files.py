"""Small files in microscopes' formats, written byte by byte where no library writes them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import mrcfile
import numpy as np
import tifffile
import zarr
from PIL import Image, ImageDraw, ImageFont

GREY_TYPES = {"i2": 1, "f4": 2, "c8": 3, "u1": 6, "i4": 7, "i1": 9, "u2": 10, "u4": 11, "f8": 12}
"""DM's ImageData.DataType."""
TAG_TYPES = {"i2": 2, "i4": 3, "u2": 4, "u4": 5, "f4": 6, "f8": 7, "i1": 9, "u1": 10, "c8": 6}
"""DM's types of tags and of array items."""


def noise(*shape: int, dtype: str = "u2", seed: int = 0) -> np.ndarray:
    """Pixels that no two of are alike."""
    return np.random.default_rng(seed).integers(0, 120, shape).astype(dtype)


class DmWriter:
    """Tags of a DM3 or DM4 file: groups are mappings (named) or lists (not named)."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.word = ">Q" if version == 4 else ">I"

    def file(self, tags: Mapping[str, Any]) -> bytes:
        body = self.group(tags)
        size = struct.pack(self.word, len(body))
        return struct.pack(">I", self.version) + size + struct.pack(">I", 1) + body + b"\0" * 8

    def group(self, tags: Mapping[str, Any] | list[Any]) -> bytes:
        entries = list(tags.items()) if isinstance(tags, Mapping) else [("", tag) for tag in tags]
        return b"\1\0" + struct.pack(self.word, len(entries)) + b"".join(self.entry(*entry) for entry in entries)

    def entry(self, name: str, value: Any) -> bytes:
        label = name.encode("latin-1")
        is_group = isinstance(value, Mapping | list)
        body = self.group(value) if is_group else self.value(value)
        size = struct.pack(">Q", len(body)) if self.version == 4 else b""
        return struct.pack(">BH", 20 if is_group else 21, len(label)) + label + size + body

    def value(self, value: Any) -> bytes:
        if isinstance(value, str):
            return self.array(np.frombuffer(value.encode("utf-16-le"), "<u2"))
        if isinstance(value, np.ndarray):
            return self.array(value)
        code, kind = (3, "<i4") if isinstance(value, int) else (7, "<f8")
        return b"%%%%" + struct.pack(self.word, 1) + struct.pack(self.word, code) + np.array(value, kind).tobytes()

    def array(self, values: np.ndarray) -> bytes:
        info = (20, TAG_TYPES[values.dtype.str[1:]], values.size * (2 if values.dtype.kind == "c" else 1))
        return (
            b"%%%%" + struct.pack(self.word, 3) + b"".join(struct.pack(self.word, n) for n in info) + values.tobytes()
        )


def dm_image(
    image: np.ndarray,
    scales: Sequence[float] | None = None,
    units: Sequence[str] | None = None,
    *,
    kind: int | None = None,
    name: str = "picture",
    tags: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One entry of ImageList; axes x first, as DM counts them."""
    count = image.ndim
    scales, units = scales or [1.0] * count, units or [""] * count
    axes = [{"Origin": 0.0, "Scale": float(s), "Units": u} for s, u in zip(scales, units, strict=True)]
    return {
        "ImageData": {
            "Calibrations": {"Dimension": axes},
            "Data": image.ravel(),
            "DataType": kind or GREY_TYPES[image.dtype.str[1:]],
            "Dimensions": [int(n) for n in image.shape[::-1]],
        },
        "ImageTags": dict(tags or {}),
        "Name": name,
    }


def write_dm(path: Path, *images: dict[str, Any], thumbnail: bool = True) -> None:
    """Of the version that the suffix names."""
    small = [dm_image(np.full((8, 8), 7, "<u4"), kind=23, name="thumbnail")] if thumbnail else []
    tags = {"ImageList": [*small, *images], "InImageMode": 1}
    path.write_bytes(DmWriter(int(path.suffix[-1])).file(tags))


def write_ser(
    path: Path,
    frames: Sequence[np.ndarray],
    delta_m: float = 2e-10,
    *,
    times: Sequence[int] = (),
    total: int | None = None,
    spectra: bool = False,
) -> None:
    """A series of TIA, version 0x0220."""
    kinds = {"u1": 1, "u2": 2, "u4": 3, "i1": 4, "i2": 5, "i4": 6, "f4": 7, "f8": 8}
    count = len(frames)
    head = struct.pack("<3h", 0x4949, 0x0197, 0x0220)
    head += struct.pack("<4i", 0x4120 if spectra else 0x4122, 0x4152, total or count, count)
    dimension = struct.pack("<idd3i", count, 0.0, 1.0, 0, 0, 0)
    start = len(head) + 8 + 4 + len(dimension)
    elements, offsets = b"", []
    for frame in frames:
        offsets.append(start + len(elements))
        calibration = struct.pack("<ddi", 0.0, delta_m, 0) * (1 if spectra else 2)
        shape = struct.pack("<i", frame.size) if spectra else struct.pack("<2i", *frame.shape[::-1])
        elements += calibration + struct.pack("<h", kinds[frame.dtype.str[1:]]) + shape + np.flipud(frame).tobytes()
    first_tag = start + len(elements)
    tags = b"".join(struct.pack("<2i", 0x4152, time) for time in times or [0] * count)
    table = struct.pack(f"<{2 * count}q", *offsets, *(first_tag + 8 * i for i in range(count)))
    tail = struct.pack("<q", first_tag + len(tags)) + struct.pack("<i", 1) + dimension
    path.write_bytes(head + tail + elements + tags + table)


def write_velox(
    path: Path,
    *series: np.ndarray,
    side_m: tuple[float, float] = (2e-10, 2e-10),
    unit: str = "m",
    frame_time: float = 0.5,
) -> None:
    """Each series is (N, H, W), of a detector of its own."""
    with h5py.File(path, "w") as file:
        for number, frames in enumerate(series):
            group = file.create_group(f"Data/Image/{number:032x}")
            group.create_dataset("Data", data=np.moveaxis(frames, 0, -1), chunks=(*frames.shape[1:], 1))
            told = {
                "BinaryResult": {
                    "PixelSize": {"width": str(side_m[0]), "height": str(side_m[1])},
                    "PixelUnitX": unit,
                    "PixelUnitY": unit,
                    "Detector": ("HAADF", "BF", "DF4")[number],
                },
                "Instrument": {"InstrumentModel": "Talos-F200X"},
                "Optics": {"AccelerationVoltage": "200000"},
                "Scan": {"FrameTime": str(frame_time)},
            }
            column = np.zeros((2000, len(frames)), np.uint8)
            text = np.frombuffer(json.dumps(told).encode(), np.uint8)
            column[: len(text)] = text[:, None]
            group.create_dataset("Metadata", data=column)


def write_berkeley(path: Path, data: np.ndarray, steps: Sequence[float], units: Sequence[str]) -> None:
    """EMD 0.2, by the library that reads it."""
    from emgen_readers.ncempy_io import ncempy_io

    ncempy_io("emd").emdWriter(path, data, tuple(steps), tuple(units))


def write_mrc(path: Path, data: np.ndarray, angstrom: float | tuple[float, float, float] = 0.0, **header: int) -> None:
    """``header``: fields to set as they are."""
    with mrcfile.new(path, data, overwrite=True) as file:
        if data.ndim == 3:
            file.set_image_stack()
        if angstrom:
            file.voxel_size = angstrom
        for name, value in header.items():
            file.header[name] = value


def write_zarr(path: Path, data: np.ndarray) -> None:
    """One plain array, a chunk a frame; in one zip file where the suffix is ``.ozx``."""
    chunks = (1,) * (data.ndim - 2) + data.shape[-2:]
    if path.suffix != ".ozx":
        zarr.create_array(str(path), data=data, chunks=chunks)
        return
    with zarr.storage.ZipStore(path, mode="w") as store:
        zarr.create_array(store, data=data, chunks=chunks)


def write_ngff(
    path: Path,
    data: np.ndarray,
    axes: Sequence[tuple[str, str | None]],
    scale: Sequence[float],
    *,
    version: str = "0.5",
    name: str = "0",
) -> None:
    """OME-Zarr 0.4 (Zarr 2) or 0.5 (Zarr 3); ``axes`` are (name, unit)."""
    root = zarr.open_group(str(path), mode="w", zarr_format=3 if version == "0.5" else 2)
    chunks = (1,) * (data.ndim - 2) + data.shape[-2:]
    root.create_array("0", data=data, chunks=chunks)
    kinds = {"t": "time", "c": "channel"}
    described = [{"name": n, "type": kinds.get(n, "space"), **({"unit": u} if u else {})} for n, u in axes]
    change = [{"type": "scale", "scale": list(scale)}]
    scales = [
        {"version": version, "axes": described, "datasets": [{"path": name, "coordinateTransformations": change}]}
    ]
    root.attrs.update(
        {"ome": {"version": "0.5", "multiscales": scales}} if version == "0.5" else {"multiscales": scales}
    )


def with_bar(image: np.ndarray, rows: int = 44, ground: int = 0, ink: int = 255, rule: int = 1) -> np.ndarray:
    """(H, W) uint8 with a microscope's data bar below: cells of text, dividers, a scale bar, a line above it."""
    height, width = image.shape
    picture = Image.fromarray(np.vstack([image, np.full((rows, width), ground, np.uint8)]))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    if rule:
        pen.rectangle([0, height, width - 1, height + rule - 1], fill=ink)
    left = 6
    for cell in ("HV 10.00 kV", "det ETD", "mag 50 000 x", "WD 4.9 mm", "HFW 2.98 µm"):
        pen.text((left, height + rule + 3), cell, fill=ink, font=font)
        left += int(pen.textlength(cell, font=font)) + 14
        pen.line([left - 8, height, left - 8, height + rows], fill=ink)
    pen.rectangle([width - 90, height + rows - 12, width - 10, height + rows - 9], fill=ink)
    return np.asarray(picture)


FEI = """[User]
Date=07/11/2024
[System]
SystemType=Helios
[Beam]
HV=5000
[Scan]
PixelWidth=3.2e-10
PixelHeight=3.2e-10
[Image]
ResolutionX={width}
ResolutionY={rows}
"""


def write_fei(path: Path, image: np.ndarray, rows: int) -> None:
    """A TIFF whose metadata say how many rows are micrograph."""
    text = FEI.format(rows=rows, width=image.shape[1]).encode() + b"\0"
    tifffile.imwrite(path, image, extratags=[(34682, "s", len(text), text, True)])
