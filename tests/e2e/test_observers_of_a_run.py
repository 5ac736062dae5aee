"""Who watches a run hears of its beginning and of its end, whatever the end is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tandem_inputs import small_spec, write_images

from emgen import hookimpl
from emgen.engine import run_spec
from emgen.errors import SpecError, StageFailedError
from emgen.host import Host
from emgen.registration import StageConfig, StagePlugin
from emgen.testing import fakes


class Broken:
    def __init__(self, config: Any, context: Any) -> None: ...

    def fit(self, *stacks: Any) -> None:
        raise ZeroDivisionError("the loss fell through the floor")


class Witness:
    """Keeps what it is told, with what stood in the folder then."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, set[str]]] = []
        self.errors: list[BaseException | None] = []

    @hookimpl
    def emgen_run_started(self, run: Path) -> None:
        self._note("started", run)

    @hookimpl
    def emgen_run_finished(self, run: Path, status: str, error: BaseException | None) -> None:
        self._note(status, run)
        self.errors.append(error)

    @hookimpl
    def emgen_contrast_gans(self) -> list[StagePlugin]:
        return [StagePlugin(name="broken", config=StageConfig, create=f"{__name__}:Broken", summary="it breaks")]

    def _note(self, what: str, run: Path) -> None:
        status = json.loads((run / "manifest.json").read_text())["status"]
        self.told.append((what, status, {path.name for path in run.iterdir()}))


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def start(tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs on fakes without what takes longer than all their steps together: the report, the model's response."""
    host = Host.from_modules([fakes, witness])
    images = write_images(tmp_path / "images")
    monkeypatch.setattr("emgen.engine.run.Run.measure_response", lambda *_: None)
    monkeypatch.setattr("emgen.report.write_report", lambda folder: (folder / "report.html").write_text("brief"))

    def run(**changes: Any) -> Any:
        spec = {**small_spec(images), "metrics": ["fake-metric"], **changes}
        return run_spec(spec, tmp_path / "run", host=host, progress=False)

    return run


def test_a_run_is_told_of_when_its_spec_stands_and_again_when_all_stands(
    start: Callable[..., Any], witness: Witness
) -> None:
    start()
    (begun, status, first), (ended, end_status, last) = witness.told
    assert (begun, status, ended, end_status) == ("started", "running", "complete", "complete")
    assert {"spec.yaml", "manifest.json"} <= first
    assert {"metrics.json", "report.html", "model"} <= last
    assert witness.errors == [None]


def test_a_failed_run_ends_with_its_error_and_starts_again_when_it_is_resumed(
    start: Callable[..., Any], witness: Witness
) -> None:
    with pytest.raises(StageFailedError) as caught:
        start(contrast_gan="broken")
    start()
    assert [what for what, *_ in witness.told] == ["started", "failed", "started", "complete"]
    assert witness.errors == [caught.value, None]


def test_an_interrupted_run_is_no_failed_one(
    start: Callable[..., Any], witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("emgen.engine.launch.run_rounds", stop)
    with pytest.raises(Exception, match="Resume with"):
        start()
    assert [what for what, *_ in witness.told] == ["started", "interrupted"]


def test_a_spec_that_is_refused_never_was_a_run(start: Callable[..., Any], witness: Witness) -> None:
    with pytest.raises(SpecError):
        start(contrast_gan="nobody-wrote-it")
    assert witness.told == []
