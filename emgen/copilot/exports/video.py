"""A session as a video (WebM, VP8) like Supplementary Video 1 of the paper: outlines left, sizes as they grow right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emgen.copilot.exports.scene import SIZE_WH, Scene
from emgen.copilot.exports.session import Growth, Row, Session
from emgen.copilot.exports.webm import encoder
from emgen.errors import OutputError
from emgen.files import replacing

MOST = 600
"""Frames of a video: of a longer session every second frame is shown, every third, and so on."""
_LONGEST_S = 30.0
"""That 300 frames last."""
_RATES = (3.0, 300 / _LONGEST_S)
"""Slowest and fastest, frames a second."""
_SHORT_S = 12.0
"""A short session is shown slowly, to last about as long."""
_LOOKED_THROUGH = 0.1
"""Share of the work that is the first reading, by which axes are chosen."""


def write_video(session: Session, path: Path) -> None:
    """Raises ``OutputError``, also where the session has no answered frame or OpenCV writes no WebM."""
    whole = Growth()
    for row in session.answered((0.0, _LOOKED_THROUGH)):
        whole.add(row)
    if not whole.frames:
        raise OutputError(f"{path}: no frame is answered yet, so there is nothing to show.")
    step = -(-whole.frames // MOST)
    scene, shown = Scene(whole, step), 0
    with replacing(path) as partial, encoder(partial, SIZE_WH, rate(-(-whole.frames // step))) as add:
        for row, grown in _grown(session, whole, step):
            add(scene.draw(session.places, row, grown))
            shown += 1
    if step > 1:
        session.tell(f"{path.name}: shows {shown} of {whole.frames} frames, every {step}th; sizes count all of them")


def rate(frames: int) -> float:
    """Frames a second of a video of so many.

    >>> rate(300), rate(60), rate(5)
    (10.0, 5.0, 3.0)
    """
    slow, fast = _RATES
    return min(fast, max(slow, frames / _SHORT_S))


def _grown(session: Session, whole: Growth, step: int) -> Iterator[tuple[Row, Growth]]:
    """Frames to show, each with what the session had grown to. The last is among them."""
    grown = Growth([whole.unit])
    for row in session.answered((_LOOKED_THROUGH, 1.0)):
        if grown.frames == whole.frames:  # answered since: not on the axes
            return
        grown.add(row)
        if (whole.frames - grown.frames) % step == 0:
            yield row, grown
