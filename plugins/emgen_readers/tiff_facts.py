"""What a TIFF says of how it was taken: microscope, voltage, detector, times, where its data bar begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from emgen.data.units import in_seconds

Times = Callable[[int], Mapping[str, Any]]


def facts_of(file: Any) -> dict[str, Any]:
    """``Micrograph.metadata`` of all pages, from FEI or Zeiss metadata; empty where there are none."""
    if file.is_fei:
        return _fei(file.fei_metadata or {}, int(file.pages[0].imagewidth))
    return _zeiss(file.sem_metadata or {}) if file.is_sem else {}


def _fei(blocks: Mapping[str, Any], width: int) -> dict[str, Any]:
    def value(section: str, key: str) -> Any:
        block = blocks.get(section)
        return block.get(key) if isinstance(block, dict) else None

    volts, rows = value("Beam", "HV"), value("Image", "ResolutionY")
    scanned = isinstance(rows, int) and value("Image", "ResolutionX") == width  # not resized since; below: a data bar
    found = {
        "microscope": value("System", "SystemType"),
        "detector": value("Detectors", "Name"),
        "acquired": " ".join(str(value("User", key)) for key in ("Date", "Time") if value("User", key)),
        "voltage_kv": float(volts) / 1000 if isinstance(volts, int | float) and volts else None,
        "image_rows": rows if scanned else None,
    }
    return {name: what for name, what in found.items() if what not in (None, "")}


def _zeiss(entries: Mapping[str, Any]) -> dict[str, Any]:
    def value(key: str) -> Any:
        entry = entries.get(key)
        return entry[1] if isinstance(entry, tuple) and len(entry) > 1 else None

    volts = entries.get("ap_manualkv") or entries.get("ap_actualkv") or ()
    found = {
        "microscope": value("dp_sem") or value("sv_serial_number"),
        "detector": value("dp_detector_channel") or value("dp_detector_type"),
        "acquired": " ".join(str(value(key)) for key in ("ap_date", "ap_time") if value(key)),
        "voltage_kv": _kilovolts(volts),
    }
    return {name: what for name, what in found.items() if what not in (None, "")}


def _kilovolts(entry: tuple[Any, ...]) -> float | None:
    factor = {"kV": 1.0, "V": 1e-3}.get(str(entry[2])) if len(entry) > 2 else None
    return None if factor is None else float(entry[1]) * factor


def times_of(file: Any, axes: str) -> Times:
    """``{"time_s": ...}`` of the i-th frame of a series along time; empty where the file names no interval."""
    if file.is_imagej:
        stated = file.imagej_metadata or {}
        step = in_seconds(float(stated.get("finterval") or 0), str(stated.get("tunit", "s")))
        return _evenly(step if "T" in axes or "frames" in stated else None)
    if file.is_ome and "T" in axes:
        pixels = file.ome_metadata
        step = re.search(r'TimeIncrement="([^"]+)"', pixels)
        unit = re.search(r'TimeIncrementUnit="([^"]+)"', pixels)
        if step:
            return _evenly(in_seconds(float(step[1]), unit[1] if unit else "s"))
        return _listed([(int(t), float(dt)) for t, dt in _deltas(pixels)])
    return lambda index: {}


def _deltas(pixels: str) -> list[tuple[str, str]]:
    """(TheT, DeltaT) of each plane, DeltaT in seconds; nothing where another unit is named."""
    planes = re.findall(r"<(?:\w+:)?Plane\b[^>]*>", pixels)
    found = [
        (re.search(r'TheT="(\d+)"', p), re.search(r'DeltaT="([^"]+)"', p)) for p in planes if "DeltaTUnit" not in p
    ]
    return [(t[1], dt[1]) for t, dt in found if t and dt]


def _evenly(step_s: float | None) -> Times:
    return lambda index: {"time_s": index * step_s} if step_s and step_s > 0 else {}


def _listed(times: list[tuple[int, float]]) -> Times:
    known = dict(times)
    return lambda index: {"time_s": known[index]} if index in known else {}
