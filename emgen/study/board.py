"""What a study shows while it works: each trial as it ends, how long the rest takes, what is being done now."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from emgen.engine.pace import clock_text
from emgen.study.trial import Result, Trial
from emgen.study.worker import last_line

EVERY_S = 30.0
CACHED_S = 3.0
"""A trial that takes less was in the store, and says nothing about how long the others take."""


class Board:
    """Lines of text. ``total``: number of trials."""

    def __init__(self, total: int, stream: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._total, self._stream, self._clock = total, stream, clock
        self._done: list[Result] = []
        self._told = self._began = clock()
        self._workers = 1

    def running(self, trials: Sequence[Trial]) -> None:
        """Called about every second with what is being done."""
        self._workers = max(1, len(trials))
        if self._clock() - self._told >= EVERY_S and trials:
            self._told = self._clock()
            for trial in trials:
                self.note(f"  {trial.title}: {last_line(trial)}")

    def finished(self, result: Result) -> None:
        self._done.append(result)
        self._told = self._clock()
        self.note(f"[{len(self._done)}/{self._total}{self._left()}] {result.trial.title}: {_words(result)}")

    def note(self, text: str) -> None:
        if self._stream is not None:
            print(text, file=self._stream, flush=True)

    def close(self) -> None:
        self.note(f"{len(self._done)} trials in {clock_text(self._clock() - self._began)}")

    def _left(self) -> str:
        """By what the trials took so far; the first of them make what later ones share, so it is rather too long."""
        left = self._total - len(self._done)
        taken = [r.seconds for r in self._done if r.status == "done" and r.seconds > CACHED_S]
        return f", {clock_text(statistics.mean(taken) * left / self._workers)} left" if taken and left else ""


def make_board(show: bool, total: int) -> Board:
    return Board(total, sys.stderr if show else None)


def _words(result: Result) -> str:
    if result.status != "done":
        lines = result.reason.splitlines()
        last = lines[0] if result.reason.startswith(("stopped", "not begun")) or len(lines) < 2 else lines[-1]
        return f"{result.status}: {last if 'Traceback' in result.reason else lines[0] if lines else ''}"
    main = next((n for n in ("miou", "kid", "mmd", "particles") if n in result.outcome.values), None)
    score = f", {main} {result.outcome.values[main]:.3f}" if main else ""
    return f"done in {clock_text(result.seconds)}{score}"
