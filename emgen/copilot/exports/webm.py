"""Pictures into a WebM file (VP8), by OpenCV: every browser plays it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emgen.copilot.exports.canvas import Canvas
from emgen.errors import OutputError

_NS = 1_000_000_000
_TICK_NS = 1_000_000
"""Of the file's clock as FFmpeg sets it."""
_HEAD = 4096
"""Bytes within which the clock stands."""
_TIMESTAMP_SCALE = b"\x2a\xd7\xb1\x83" + _TICK_NS.to_bytes(3, "big")
_DEFAULT_DURATION = b"\x23\xe3\x83\x84" + _NS.to_bytes(4, "big")
"""Matroska elements (RFC 9559, 5.1.2.9 and 5.1.4.1.13): ns in a tick, and ns that a frame is shown."""


@contextmanager
def encoder(path: Path, size_WH: tuple[int, int], fps: float) -> Iterator[Callable[[Canvas], None]]:
    """A function that adds a picture, (H, W, 3) RGB. The file stands at ``path`` at the end.

    Raises ``OutputError`` where OpenCV writes no WebM, ``OSError`` where the disk refuses.
    """
    import cv2

    drawn = path.with_name(f"{path.name}.webm")  # OpenCV takes the format from the suffix
    # At one frame a second VP8 takes its fast mode (a fifth of the time), which OpenCV cannot ask for; see _set_rate.
    video = cv2.VideoWriter(str(drawn), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), 1.0, size_WH)
    try:
        if not video.isOpened():
            raise OutputError(f"{path}: OpenCV {cv2.__version__} writes no WebM video here.")
        yield partial(_add, video)
        video.release()
        _set_rate(drawn, fps)
        _check(drawn)
        os.replace(drawn, path)
    finally:
        video.release()
        with suppress(OSError):
            drawn.unlink()


def _add(video: Any, frame_HWC: Canvas) -> None:
    if video.write(np.ascontiguousarray(frame_HWC[..., ::-1])) is False:  # before OpenCV 5 it says nothing
        raise OSError("a frame was refused")


def _set_rate(path: Path, fps: float) -> None:
    """Makes the clock's ticks shorter, so that frames which were written for a second each pass at ``fps``."""
    with path.open("r+b") as file:
        head = file.read(_HEAD)
        for element, nanoseconds in ((_TIMESTAMP_SCALE, _TICK_NS / fps), (_DEFAULT_DURATION, _NS / fps)):
            place = head.find(element)
            if place < 0:
                raise OSError("the video has no clock where one is expected")
            kept = 4  # identifier and length
            file.seek(place + kept)
            file.write(round(nanoseconds).to_bytes(len(element) - kept, "big"))


def _check(path: Path) -> None:
    """OpenCV is silent where the disk is full, but a file that broke off has no length. Raises ``OSError``."""
    import cv2

    found = cv2.VideoCapture(str(path))
    try:
        if not found.isOpened() or found.get(cv2.CAP_PROP_FRAME_COUNT) < 1:
            raise OSError("the video is incomplete; is the disk full?")
    finally:
        found.release()
