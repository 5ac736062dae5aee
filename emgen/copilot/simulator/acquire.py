"""The microscope at work: each frame is drawn shortly before it is due, and its file written when it is.

Drawing stands for what another machine does. It is put as late as is safe, so that it is over when the next file comes
and does not take the time of the service that answers the file before.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emgen.copilot.simulator.deferred import Deferred
from emgen.copilot.simulator.files import Files
from emgen.copilot.simulator.frame import Frame
from emgen.copilot.simulator.scene import frames
from emgen.copilot.simulator.settings import Simulation
from emgen.copilot.simulator.truth import Truth
from emgen.errors import OutputError, SpecError

_NICE = 10
_AHEAD = 1.5
"""Times as long as a frame takes, it is begun before it is due."""
_FORGOTTEN = 0.95
"""From frame to frame, of the longest drawing so far."""
_LATE_S = 0.05
"""A frame that comes later than that after its due time is told of."""
_LOOK_S = 0.1
"""So often a waiting run asks whether to stop."""


@dataclass(slots=True)
class Acquired:
    """``frames`` written, how many of them ``late``, and by ``latest_s`` at most."""

    frames: int = 0
    late: int = 0
    latest_s: float = 0.0


def simulate(
    out: Path,
    settings: Simulation,
    *,
    truth: Path | None = None,
    tell: Callable[[str], None] = lambda line: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Acquired:
    """Writes frames to ``out`` until there are as many as asked for, or ``should_stop()``; blocks as long.

    Frame k is due k intervals after the first, which comes as soon as it is drawn. ``truth``: the folder for what is
    true of them, ``<out>-truth`` unless given; not inside ``out``. ``tell`` gets a line for frames that come late.

    Raises ``SpecError`` for a truth folder inside ``out``, ``OutputError`` where a disk refuses or ``truth`` holds an
    earlier run.
    """
    truth = truth or out.with_name(out.name + "-truth")
    if truth.resolve().is_relative_to(out.resolve()):
        raise SpecError(f"truth: {truth} lies in the folder of the frames, {out}, and would be taken for some of them.")
    if settings.low_priority:
        _step_back()
    try:
        out.mkdir(parents=True, exist_ok=True)
        table = Truth(truth, settings)
        try:
            return _acquire(Files(out, settings, table), settings, tell, should_stop)
        finally:
            table.close()
    except OSError as error:
        raise OutputError(f"{error.filename or out}: cannot be written ({error}). Choose another folder.") from error


def _acquire(
    files: Files, settings: Simulation, tell: Callable[[str], None], should_stop: Callable[[], bool]
) -> Acquired:
    acquired, drawing, index = Acquired(), _Drawing(frames(settings)), 0
    begin = time.monotonic()
    try:
        while True:
            due = begin + index * settings.interval_s
            if index and not _wait(due - drawing.ahead_s, files.deferred, should_stop):
                return acquired
            if (frame := drawing.next()) is None:
                break
            if not index:
                begin = due = time.monotonic()
            index += 1
            if not _wait(due, files.deferred, should_stop):
                return acquired
            late_s = _lateness(acquired, due, settings, tell)
            files.write(frame, late_s)
            acquired.frames += 1
        while (due_then := files.deferred.next_due()) is not None and _wait(due_then, files.deferred, should_stop):
            pass
        return acquired
    finally:
        files.deferred.do_needed()


class _Drawing:
    """Frames, and how long before its due time the next should be begun."""

    def __init__(self, found: Iterator[Frame]) -> None:
        self._found, self._slowest_s, self._drawn = found, 0.0, 0

    @property
    def ahead_s(self) -> float:
        return _AHEAD * self._slowest_s if self._drawn > 1 else float("inf")

    def next(self) -> Frame | None:
        begun = time.monotonic()
        frame = next(self._found, None)
        if self._drawn:  # the first makes the specimen as well and is no measure
            self._slowest_s = max(_FORGOTTEN * self._slowest_s, time.monotonic() - begun)
        self._drawn += 1
        return frame


def _wait(due: float, deferred: Deferred, should_stop: Callable[[], bool]) -> bool:
    """Until a time, doing what falls due before; false when asked to stop."""
    while True:
        deferred.do_due()
        if should_stop():
            return False
        now = time.monotonic()
        if now >= due:
            return True
        time.sleep(max(0.0, min(due, deferred.next_due() or due, now + _LOOK_S) - now))


def _lateness(acquired: Acquired, due: float, settings: Simulation, tell: Callable[[str], None]) -> float:
    """Seconds after the due time; told at the 1st, 2nd, 4th, 8th … late frame."""
    late_s = max(0.0, time.monotonic() - due) if settings.interval_s else 0.0
    acquired.latest_s = max(acquired.latest_s, late_s)
    if late_s > _LATE_S:
        acquired.late += 1
        if acquired.late & (acquired.late - 1) == 0:
            number = acquired.frames + 1
            tell(
                f"frame {number} comes {late_s:.2f} s late (late frames so far: {acquired.late}): this computer does "
                f"not manage one in {settings.interval_s:g} s now. Ask for a longer interval or for smaller frames."
            )
    return late_s


def _step_back() -> None:
    """Of this thread only where the system tells threads apart (Linux), else of the process."""
    if hasattr(os, "nice"):
        os.nice(max(0, _NICE - os.nice(0)))
