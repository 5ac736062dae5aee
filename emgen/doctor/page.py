"""The findings as one HTML page with small pictures of the micrographs concerned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emgen.doctor.findings import Finding, some
from emgen.doctor.look import Look
from emgen.doctor.near import Overlap
from emgen.doctor.orient import Rect
from emgen.doctor.text import summary
from emgen.doctor.visit import Diagnosis
from emgen.errors import OutputError
from emgen.report.pictures import grey, outlined
from emgen.report.text import number

SHOWN = 6
"""Pictures to a finding."""


def write_page(path: Path, diagnosis: Diagnosis) -> None:
    """One file that needs nothing beside it; it holds pictures of the micrographs. Raises ``OutputError``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".writing")
        partial.write_text(_render(diagnosis), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror or error}).") from error


def _render(diagnosis: Diagnosis) -> str:
    import jinja2

    import emgen.report

    folders = [Path(__file__).parent, Path(emgen.report.__file__).parent]
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("doctor.html.j2").render(
        title="Data doctor",
        summary=summary(len(diagnosis.examination.looks), diagnosis.counts),
        findings=[_shown(found, diagnosis) for found in diagnosis.findings],
        ceilings=_ceilings(diagnosis),
        micrographs=[_row(look) for look in diagnosis.examination.looks],
    )


def _shown(found: Finding, diagnosis: Diagnosis) -> dict[str, Any]:
    whole = {**found.to_dict(), "where": some(found.names, 12)}
    plain = {name: str(whole[name]).replace("`", "") for name in ("limit", "measured", "way_out")}
    return {**whole, **plain, "pictures": _pictures(found, diagnosis.examination.looks)}


def _pictures(found: Finding, looks: Sequence[Look]) -> list[dict[str, str]]:
    """Of pairs both partners, with what they share outlined; else of the first micrographs named."""
    if found.check in ("overlap", "near-duplicate", "duplicate"):
        return [one for pair in found.values["pairs"][: SHOWN // 2] for one in _pair(looks, pair)]
    by_name = {look.name: look for look in looks}
    named = [by_name[name] for name in found.names if name in by_name]
    return [_picture(look) for look in named[:SHOWN] if look.thumb_HW is not None]


def _pair(looks: Sequence[Look], values: dict[str, Any]) -> list[dict[str, str]]:
    overlap = Overlap(**{name: value for name, value in values.items() if name != "names"})
    first, second = looks[overlap.first], looks[overlap.second]
    rect = overlap.shared_in_first(first.shape_HW)
    return [_picture(first, rect), _picture(second, overlap.carried(rect))]


def _picture(look: Look, rect: Rect | None = None) -> dict[str, str]:
    assert look.thumb_HW is not None
    thumb_HW = look.thumb_HW.astype(np.float32)
    if rect is None:
        return {"name": look.name, "uri": grey(thumb_HW)}
    label_HW = np.zeros(thumb_HW.shape, np.int32)
    scale = thumb_HW.shape[0] / look.shape_HW[0]
    top, left, bottom, right = (round(max(0.0, value) * scale) for value in rect)
    label_HW[top:bottom, left:right] = 1
    return {"name": look.name, "uri": outlined(thumb_HW, label_HW)}


def _ceilings(diagnosis: Diagnosis) -> list[dict[str, str]]:
    def interval(value: float, low: float, high: float) -> str:
        return f"{number(value)} ({number(low)} … {number(high)})"

    return [
        {
            "name": name.replace("_", " "),
            "agreement": interval(c.agreement, c.agreement_low, c.agreement_high),
            "ceiling": interval(c.ceiling, c.ceiling_low, c.ceiling_high),
            "bound": number(c.bound),
            "formula": c.formula,
        }
        for name, c in diagnosis.ceilings.items()
    ]


def _row(look: Look) -> list[str]:
    pixel = "unknown" if look.pixel_size_nm is None else f"{look.pixel_size_nm:.4g} nm"
    blobs = [number(look.blobs.size), f"{look.blobs.asymmetry:+.2f}"] if look.blobs else ["–", "–"]
    return [look.name, f"{look.shape_HW[1]} × {look.shape_HW[0]}", look.dtype or "–", pixel, *blobs, look.reason]
