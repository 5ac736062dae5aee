"""How the files of a run come to lie in their folder: whole, in pieces, or at fault."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from emgen.copilot.simulator.deferred import Deferred
from emgen.copilot.simulator.encode import encoded
from emgen.copilot.simulator.faults import FaultKind, fault_of, is_good, spoilt
from emgen.copilot.simulator.frame import Frame, cropped
from emgen.copilot.simulator.settings import Simulation
from emgen.copilot.simulator.truth import Truth
from emgen.files import replacing

_PIECES = 8
_PATIENCE = 0.25
"""Share of the interval that writing a file takes at most."""


class Files:
    """Writes frames to ``out`` and their truth to ``truth``; ``deferred`` holds what is to happen to them later."""

    def __init__(self, out: Path, settings: Simulation, truth: Truth) -> None:
        self._out, self._settings, self._truth = out, settings, truth
        self.deferred = Deferred()
        self._made: dict[FaultKind, Callable[[Frame, Path, float], None]] = {
            "stalled": self._stalled,
            "wrong-size": self._wrong_size,
            "duplicate": self._duplicate,
            "renamed": self._renamed,
            "deleted": self._deleted,
            "text": self._text,
        }

    def write(self, frame: Frame, late_s: float) -> None:
        """The frame's file, sound or with the fault that the seed has for it."""
        s, number = self._settings, frame.facts.number
        path = self._out / f"{s.stem}_{number:06d}{s.suffix}"
        kind = fault_of(s, number - 1)
        if kind is None:
            self._sound(frame, path, late_s)
        elif kind in self._made:
            self._made[kind](frame, path, late_s)
        else:
            rng = np.random.default_rng([s.seed, 22, number])
            self._put(path, spoilt(kind, encoded(frame, s), rng))
            self._noted(frame, path, late_s, kind)

    def _sound(self, frame: Frame, path: Path, late_s: float, kind: FaultKind | None = None, other: str = "") -> bytes:
        whole = encoded(frame, self._settings)
        self._put(path, whole)
        self._noted(frame, path, late_s, kind, other)
        return whole

    def _noted(self, frame: Frame, path: Path, late_s: float, kind: FaultKind | None, other: str = "") -> None:
        """Right after the file was closed."""
        self._truth.frame(frame, path.name, written_at=time.time(), late_s=late_s, fault=kind)
        if kind is not None and kind != "text":
            good = is_good(kind, self._settings.kept_s)
            self._truth.fault(frame.facts.number, path.name, kind, good, other)

    def _put(self, path: Path, content: bytes) -> None:
        """Under its own name from the first byte on, unless asked to do it better."""
        if self._settings.atomic:
            with replacing(path) as hidden:
                hidden.write_bytes(content)
            return
        pause = min(self._settings.write_s, _PATIENCE * self._settings.interval_s) / _PIECES
        with path.open("wb", buffering=0) as file:
            for piece in np.array_split(np.frombuffer(content, np.uint8), _PIECES):
                file.write(piece.tobytes())
                time.sleep(pause)

    def _stalled(self, frame: Frame, path: Path, late_s: float) -> None:
        whole = encoded(frame, self._settings)
        path.write_bytes(whole[: len(whole) // 2])

        def go_on() -> None:
            with path.open("ab") as file:
                file.write(whole[len(whole) // 2 :])
            self._noted(frame, path, late_s, "stalled")

        self.deferred.after(self._settings.pause_s, go_on)

    def _wrong_size(self, frame: Frame, path: Path, late_s: float) -> None:
        height, width = frame.image_HW.shape
        self._sound(cropped(frame, (3 * height // 4, 5 * width // 8)), path, late_s, "wrong-size")

    def _duplicate(self, frame: Frame, path: Path, late_s: float) -> None:
        copy = path.with_stem(path.stem + "_copy")
        whole = self._sound(frame, path, late_s, "duplicate", copy.name)
        self.deferred.after(self._settings.pause_s, partial(self._put, copy, whole))

    def _renamed(self, frame: Frame, path: Path, late_s: float) -> None:
        saved = path.with_stem(path.stem + "_saved")
        self._sound(frame, path, late_s, "renamed", saved.name)

        def rename() -> None:
            with suppress(FileNotFoundError):  # somebody else took it away
                os.replace(path, saved)

        self.deferred.after(self._settings.pause_s, rename)

    def _deleted(self, frame: Frame, path: Path, late_s: float) -> None:
        self._sound(frame, path, late_s, "deleted")
        self.deferred.after(self._settings.kept_s, partial(path.unlink, missing_ok=True), needed=False)

    def _text(self, frame: Frame, path: Path, late_s: float) -> None:
        self._sound(frame, path, late_s, "text")
        note = path.with_suffix(".txt")
        note.write_text(f"Notes on {path.name}\n", encoding="utf-8")
        self._truth.fault(frame.facts.number, note.name, "text", "no")
