"""Passes on what a run tells its observers. MLflow is imported in a thread of its own once a run has begun."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from emgen import hookimpl
from emgen_mlflow.tracker import Tracker

TRACKER = Tracker()


@hookimpl
def emgen_run_started(run: Path) -> None:
    TRACKER.begin(run)


@hookimpl
def emgen_stage_started(run: Path, stage: str) -> None:
    TRACKER.stage(run, stage)


@hookimpl
def emgen_stage_logged(run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
    TRACKER.values(run, stage, step, values)


@hookimpl
def emgen_run_finished(run: Path, status: str, error: BaseException | None) -> None:
    TRACKER.end(run, status, error)
