"""Frames of a session as pictures in its report."""

from __future__ import annotations

import base64
import io
from typing import Any

from emgen.copilot.exports.session import Row, Session, time_of, told_time

MARKED, ALARMS = 24, 12
"""Pictures of these at most."""
_SIDE, _QUALITY = 760, 82


def chosen_frames(session: Session, first: int, last: int, alarms: list[int]) -> dict[int, str]:
    """Number and why it is shown."""
    why: dict[int, list[str]] = {}
    marked = [row["id"] for row in session.journal.marked()][:MARKED]
    for numbers, words in (([first], "first"), (marked, "marked"), (alarms[:ALARMS], "alarm"), ([last], "last")):
        for number in numbers:
            if number and (session.chosen is None or number in session.chosen):
                why.setdefault(number, []).append(words)
    return {number: ", ".join(words) for number, words in sorted(why.items())}


def pictures(session: Session, frames: dict[int, str]) -> list[dict[str, Any]]:
    """``picture`` (data URI), ``title``, ``note``, ``remark``; without what is gone from the folder."""
    shown = []
    for frame, why in frames.items():
        row = session.journal.frame(frame)
        picture = None if row is None else _picture(session, row)
        if row is not None and picture is not None:
            note = f"{why} · frame {frame} · {told_time(time_of(row))} · {row['particles']:,} particles"
            shown.append({"picture": picture, "title": row["name"], "note": note, "remark": row["remark"] or ""})
    return shown


def _picture(session: Session, row: Row) -> str | None:
    """Outlines and scale bar as `emgen segment --write overlay` draws them."""
    import cv2
    import tifffile

    from emgen.writing.overlay import overlay

    grey_HW = cv2.imread(str(session.places.picture(row["id"])), cv2.IMREAD_GRAYSCALE)
    labels = session.places.labels_file(row["id"])
    if grey_HW is None or not labels.is_file():
        return None
    factor = min(1.0, _SIDE / max(grey_HW.shape))
    size = max(1, round(grey_HW.shape[1] * factor)), max(1, round(grey_HW.shape[0] * factor))
    small_HW = cv2.resize(grey_HW, size, interpolation=cv2.INTER_AREA)
    label_HW = cv2.resize(tifffile.imread(labels), size, interpolation=cv2.INTER_NEAREST)
    pixel = row["pixel_size_nm"]
    drawn = overlay(label_HW, small_HW, None if pixel is None else pixel * row["width"] / size[0])
    buffer = io.BytesIO()
    drawn.save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
