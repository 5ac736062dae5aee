"""What a run shows while it works: a live table on a terminal, lines in a log, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from emgen.engine.pace import Pace, clock_text

if TYPE_CHECKING:
    from rich.table import Table


class Progress(Protocol):
    """Told by the engine; ``label`` names a step of this run."""

    def expect(self, labels: Sequence[str]) -> None: ...
    def begin(self, label: str) -> None: ...
    def plan(self, label: str, total: int) -> None: ...
    def log(self, label: str, step: int, values: Mapping[str, float]) -> None: ...
    def end(self, label: str, *, cached: bool, seconds: float) -> None: ...
    def fail(self, label: str) -> None: ...
    def note(self, text: str) -> None: ...
    def close(self) -> None: ...


def make_progress(show: bool, stream: TextIO | None = None) -> Progress:
    """Live on a terminal, plain lines elsewhere, silent if not to be shown."""
    stream = stream or sys.stderr
    if not show:
        return Silent()
    return Live(stream) if stream.isatty() else Lines(stream)


class Silent:
    """Shows nothing."""

    def expect(self, labels: Sequence[str]) -> None:
        return None

    def begin(self, label: str) -> None:
        return None

    def plan(self, label: str, total: int) -> None:
        return None

    def log(self, label: str, step: int, values: Mapping[str, float]) -> None:
        return None

    def end(self, label: str, *, cached: bool, seconds: float) -> None:
        return None

    def fail(self, label: str) -> None:
        return None

    def note(self, text: str) -> None:
        return None

    def close(self) -> None:
        return None


class Lines(Silent):
    """Plain lines: one when a step begins, one when it ends, between them at most one each ``every_s`` seconds."""

    def __init__(self, stream: TextIO, every_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._every_s, self._clock = stream, every_s, clock
        self._paces: dict[str, Pace] = {}
        self._told: dict[str, float] = {}

    def begin(self, label: str) -> None:
        self._paces[label] = Pace(self._clock)
        self._told[label] = self._clock()
        self._line(f"{label}: started")

    def plan(self, label: str, total: int) -> None:
        self._paces[label].total = total

    def log(self, label: str, step: int, values: Mapping[str, float]) -> None:
        pace = self._paces[label]
        pace.log(step, values)
        if self._clock() - self._told[label] >= self._every_s:
            self._told[label] = self._clock()
            self._line(f"{label}: {pace.text()}")

    def end(self, label: str, *, cached: bool, seconds: float) -> None:
        self._line(f"{label}: cached" if cached else f"{label}: done in {clock_text(seconds)}")

    def fail(self, label: str) -> None:
        self._line(f"{label}: stopped")

    def note(self, text: str) -> None:
        self._line(text)

    def _line(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Live(Silent):
    """A table with one row a step, redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._states: dict[str, str] = {}
        self._paces: dict[str, Pace] = {}
        self._live = RichLive(console=Console(file=stream), refresh_per_second=4, get_renderable=self._table)
        self._live.start()

    def expect(self, labels: Sequence[str]) -> None:
        self._states |= {label: "[dim]waits" for label in labels if label not in self._states}

    def begin(self, label: str) -> None:
        self._states[label] = "[cyan]runs"
        self._paces[label] = Pace()

    def plan(self, label: str, total: int) -> None:
        self._paces[label].total = total

    def log(self, label: str, step: int, values: Mapping[str, float]) -> None:
        self._paces[label].log(step, values)

    def end(self, label: str, *, cached: bool, seconds: float) -> None:
        self._states[label] = "[green]cached" if cached else f"[green]done in {clock_text(seconds)}"
        self._paces.pop(label, None)

    def fail(self, label: str) -> None:
        self._states[label] = "[red]stopped"

    def note(self, text: str) -> None:
        self._live.console.print(text, markup=False)

    def close(self) -> None:
        self._live.stop()

    def _table(self) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for title in ("step", "", "", ""):
            table.add_column(title, no_wrap=title == "step")
        for label, state in self._states.items():
            pace = self._paces.get(label)
            bar: Any = ProgressBar(pace.total, pace.done, width=20) if pace and pace.total else ""
            table.add_row(label, state, bar, pace.text() if pace else "")
        return table
