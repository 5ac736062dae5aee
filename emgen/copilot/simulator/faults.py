"""Files as no file should be, on request, so that whatever watches a folder can be tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

if TYPE_CHECKING:
    from emgen.copilot.simulator.settings import Simulation

FaultKind = Literal["stalled", "truncated", "garbage", "empty", "wrong-size", "duplicate", "renamed", "deleted", "text"]
FAULTS: tuple[FaultKind, ...] = get_args(FaultKind)
"""What may become of a file.

stalled: half-written, whole after ``pause_s``. truncated: half-written for good. garbage: random bytes. empty: 0 bytes.
wrong-size: a sound micrograph of other height and width. duplicate: the same bytes come again as
``<stem>_000001_copy``. renamed: after closing, to ``<stem>_000001_saved``. deleted: once it has been whole for
``kept_s``. text: a ``<stem>_000001.txt`` lies beside a sound frame."""
Good = Literal["yes", "no", "either"]
SHORT_S = 1.0
"""A file that is whole for less than that may be missed."""
_BAD = ("truncated", "garbage", "empty")


def fault_of(settings: Simulation, index: int) -> FaultKind | None:
    """Of the index-th frame; depends on seed and index alone."""
    rng = np.random.default_rng([settings.seed, 21, index])
    if rng.random() >= settings.faults:
        return None
    return settings.fault_kinds[int(rng.integers(len(settings.fault_kinds)))]


def is_good(kind: FaultKind, kept_s: float) -> Good:
    """Whether its frame is owed exactly one answer; ``either``: none or one."""
    if kind == "deleted" and kept_s < SHORT_S:
        return "either"
    return "no" if kind in _BAD else "yes"


def spoilt(kind: FaultKind, whole: bytes, rng: np.random.Generator) -> bytes:
    """What is in the file instead of the bytes of a whole frame."""
    if kind == "truncated":
        return whole[: len(whole) // 2]
    return rng.bytes(len(whole)) if kind == "garbage" else b""
