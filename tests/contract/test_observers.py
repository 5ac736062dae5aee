"""Observers are listed and checked as plugins are; the kit finds what a bad one does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from emgen import hookimpl
from emgen.cli import main
from emgen.host import Host, use_host
from emgen.testing import ObserverConformance, fakes
from emgen.testing.conformance import checks_of, run_checks


class Diary:
    """Notes what it is told, beside the run folder."""

    @hookimpl
    def emgen_run_started(self, run: Path) -> None:
        self.write(run, "started")

    @hookimpl
    def emgen_stage_logged(self, run: Path, stage: str, step: int, values: Any) -> None: ...

    @hookimpl
    def emgen_run_finished(self, run: Path, status: str, error: BaseException | None) -> None:
        self.write(run, f"{status} {(run / 'report.html').exists()}")

    def write(self, run: Path, text: str) -> None:
        with (run.parent / "diary").open("a") as file:
            file.write(f"{text}\n")


class TestDiary(ObserverConformance):
    plugin = Diary()


class WritesIntoTheRun(Diary):
    @hookimpl
    def emgen_stage_logged(self, run: Path, stage: str, step: int, values: Any) -> None:
        (run / "log.txt").write_text(str(step))


class Raises(Diary):
    @hookimpl
    def emgen_run_finished(self, run: Path, status: str, error: BaseException | None) -> None:
        raise ConnectionError("the tracker is down")


class Slow(Diary):
    @hookimpl
    def emgen_stage_logged(self, run: Path, stage: str, step: int, values: Any) -> None:
        time.sleep(0.003)


FAULTS = [
    (WritesIntoTheRun(), "test_it_is_told_of_a_whole_run_and_leaves_its_folder_alone"),
    (Raises(), "test_a_run_that_broke_off_is_resumed"),
    (Slow(), "test_it_does_not_hold_up_a_training"),
]


@pytest.mark.parametrize(("observer", "check"), FAULTS, ids=lambda value: type(value).__name__)
def test_the_kit_finds_the_fault(observer: object, check: str) -> None:
    (found,) = Host.from_modules([observer]).observing
    failed = {result.name for result in run_checks(checks_of(found)) if result.outcome == "failed"}
    assert check in failed


@pytest.fixture
def command() -> Iterator[Callable[..., Any]]:
    with use_host(Host.from_modules([fakes, Diary()])):
        yield lambda *words: CliRunner().invoke(main, ["plugins", *words])


def test_observers_are_listed_apart_with_what_they_are_told(command: Callable[..., Any]) -> None:
    assert "Observers\n" in command("list").output
    (listed,) = json.loads(command("list", "--json").output)["observers"]
    assert listed["hooks"] == ["emgen_run_finished", "emgen_run_started", "emgen_stage_logged"]


def test_where_nothing_observes_no_observers_are_listed() -> None:
    with use_host(Host.from_modules([fakes])):
        assert "Observers" not in CliRunner().invoke(main, ["plugins", "list"]).output


def test_an_observer_is_checked_by_the_name_of_its_distribution(command: Callable[..., Any]) -> None:
    (observer,) = Host.from_modules([Diary()]).observing
    result = command("check", observer.distribution)
    assert result.exit_code == 0, result.output
    assert "it does not hold up a training" in result.output
    assert "0 failed" in result.output
