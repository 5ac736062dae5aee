"""Does a trial, wherever it was sent. A failure is a result, so that the other trials go on."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.artifacts import write_json
from emgen.engine.launch import opened_run
from emgen.engine.progress import Lines, Progress
from emgen.engine.run import Run
from emgen.errors import EmgenError, Interrupted, PreflightError
from emgen.spec import load_spec
from emgen.spec.merge import merge_trees
from emgen.study.trial import Outcome, Result, Status, Trial

if TYPE_CHECKING:
    from emgen.host import Host

LOG = "progress.log"
RESULT = "result.json"
Perform = Callable[["Workplace"], Outcome]


@dataclass(frozen=True)
class Workplace:
    """What a study's ``perform`` works with: the trial, and runs whose steps it may call."""

    trial: Trial
    host: Host
    progress: Progress

    @contextmanager
    def run(self, changes: Mapping[str, Any] | None = None, *, name: str = "run") -> Iterator[Run]:
        """A run of the trial's spec with changes, in the folder ``name`` of the trial, on the shared store."""
        tree = merge_trees(self.trial.spec, {"seed": self.trial.seed, **(changes or {})})
        spec = load_spec(tree, host=self.host)
        folder = Path(self.trial.folder) / name
        with opened_run(
            spec,
            folder,
            host=self.host,
            progress=self.progress,
            cache=self.trial.store,
            resume=self.trial.command,
        ) as run:
            yield run


def perform(trial: Trial) -> Result:
    """Does the trial with the plugins installed here; writes ``result.json`` into its folder. Never raises."""
    began = time.monotonic()
    folder = Path(trial.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / LOG, "w", encoding="utf-8") as stream:
            outcome = _performed(trial, Lines(stream, every_s=2.0))
        result = Result(trial=trial, status="done", outcome=outcome, seconds=time.monotonic() - began)
        write_json(folder / RESULT, result.to_dict())
        return result
    except (Exception, KeyboardInterrupt) as error:
        status, reason = _failure(trial, error)
        return Result(trial=trial, status=status, reason=reason, seconds=time.monotonic() - began)


def _performed(trial: Trial, progress: Progress) -> Outcome:
    from emgen.host import load_host

    work: Perform = import_module(f"emgen.study.{trial.study}").perform
    return work(Workplace(trial, load_host(), progress))


def _failure(trial: Trial, error: BaseException) -> tuple[Status, str]:
    if isinstance(error, Interrupted | KeyboardInterrupt):
        return "interrupted", "stopped; what was done is kept"
    if isinstance(error, PreflightError) and trial.optional:
        return "skipped", str(error)
    if isinstance(error, EmgenError):
        return "failed", str(error)
    return "failed", "".join(traceback.format_exception(error)).strip()


def last_line(trial: Trial) -> str:
    """What the trial does now, for the one who waits."""
    try:
        lines = (Path(trial.folder) / LOG).read_text("utf-8").splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
