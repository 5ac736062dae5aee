"""Checks of observers: modules that are told of runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from emgen.artifacts import write_json
from emgen.errors import StageFailedError
from emgen.host import Host, Observer, load_host
from emgen.testing.conformance.base import heavy_imports
from emgen.testing.conformance.inputs import require

SPEC = """name: a made-up run
seed: 3
modality: haadf-stem
contrast_gan: {uses: made-up, learning_rate: 0.0002, betas: [0.5, 0.999]}
"""
SCORES = {"second_generation": {"made-up": {"distance": 0.25, "verdict": "proves nothing"}}}
LOG_ROUNDS, LOG_SECONDS = 1000, 2.0


class ObserverConformance:
    """Tells the observer of made-up runs, as the engine would.

    Its hooks are called directly: in a run, what they raise is logged and the run goes on. They are called in a
    temporary working directory; an observer that writes elsewhere should be told so by the test (an environment
    variable in a fixture).

    Attributes
    ----------
    plugin: distribution or module of an installed observer, or the module or object itself.
    log_seconds: what 1000 calls of ``emgen_stage_logged`` may take. A training waits for each.
    """

    plugin: ClassVar[str | object]
    log_seconds: ClassVar[float] = LOG_SECONDS

    def observer(self) -> Observer:
        plugin = self.plugin
        if isinstance(plugin, Observer):
            return plugin
        if not isinstance(plugin, str):
            (found,) = Host.from_modules([plugin]).observing
            return found
        named = [item for item in load_host().observing if plugin in (item.distribution, item.module)]
        require(len(named) == 1, f'{len(named)} installed observers are called "{plugin}"')
        return named[0]

    @cached_property
    def _host(self) -> Host:
        return Host.from_modules([self.observer().implementation])

    def tell(self, hook: str, **values: Any) -> None:
        """Calls one hook, if it is implemented, and lets pass what it raises."""
        for impl in getattr(self._host.observers, hook).get_hookimpls():
            impl.function(*(values[name] for name in impl.argnames))

    def run_folder(self, root: Path, status: str = "running") -> Path:
        """A run folder as it stands when ``emgen_run_started`` is called."""
        folder = root / "runs" / "made up"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
        self.record(folder, status)
        return folder

    def record(self, folder: Path, status: str) -> None:
        steps = [{"label": "contrast_gan", "seconds": 12.5, "wall_s": 12.5, "cached": False}]
        facts = {"name": "a made-up run", "seed": 3, "device": "cpu", "environment": {"emgen": "0.0"}}
        write_json(folder / "manifest.json", {"format": 1, "status": status, "error": None, "steps": steps, **facts})

    def begin(self, folder: Path) -> None:
        """A run that has trained a few steps."""
        self.tell("emgen_run_started", run=folder)
        self.tell("emgen_stage_finished", run=folder, stage="micrographs", artifact=folder / "stages", cached=True)
        self.tell("emgen_stage_started", run=folder, stage="contrast_gan (round 2)")
        for step in (1, 10, 20):
            values = {"adversarial": 0.5, "identity loss": 1.0 / step}
            self.tell("emgen_stage_logged", run=folder, stage="contrast_gan (round 2)", step=step, values=values)

    def complete(self, folder: Path) -> None:
        artifact = folder / "stages" / "0123"
        artifact.mkdir(parents=True, exist_ok=True)
        stage = "contrast_gan (round 2)"
        self.tell("emgen_stage_finished", run=folder, stage=stage, artifact=artifact, cached=False)
        write_json(folder / "metrics.json", SCORES)
        self.record(folder, "complete")
        (folder / "report.html").write_text("<p>made up</p>", encoding="utf-8")
        self.tell("emgen_run_finished", run=folder, status="complete", error=None)

    def break_off(self, folder: Path, status: str) -> None:
        error = StageFailedError("contrast_gan failed: it was made up\nResume with:\n  emgen run spec.yaml")
        self.tell("emgen_stage_failed", run=folder, stage="contrast_gan (round 2)", error=error)
        self.record(folder, status)
        self.tell("emgen_run_finished", run=folder, status=status, error=error)

    def test_its_registration_imports_no_heavy_library(self) -> None:
        module = self.observer().module.partition(":")[0]
        loaded = heavy_imports(module)
        require(not loaded, f"importing {module} imports {', '.join(loaded)}; import them where they are used")

    def test_it_is_told_of_a_whole_run_and_leaves_its_folder_alone(self, tmp_path: Path) -> None:
        with working_in(tmp_path):
            folder = self.run_folder(tmp_path)
            self.begin(folder)
            before = contents(folder)
            self.tell("emgen_stage_logged", run=folder, stage="contrast_gan (round 2)", step=30, values={})
            require(contents(folder) == before, "it changed the run folder while the run was under way")
            self.complete(folder)
            added = set(contents(folder)) - set(before) - {"metrics.json", "report.html"}
            require(not added, f"it left {sorted(added)} in the run folder")
            require((folder / "spec.yaml").read_text("utf-8") == SPEC, "it changed the run's spec.yaml")

    def test_a_run_that_broke_off_is_resumed(self, tmp_path: Path) -> None:
        with working_in(tmp_path):
            folder = self.run_folder(tmp_path)
            for status in ("failed", "interrupted"):
                self.begin(folder)
                self.break_off(folder, status)
            self.begin(folder)  # killed: it never hears of an end
            self.begin(folder)
            self.complete(folder)

    def test_a_run_that_is_complete_may_be_started_again(self, tmp_path: Path) -> None:
        with working_in(tmp_path):
            folder = self.run_folder(tmp_path)
            for _ in range(2):
                self.begin(folder)
                self.complete(folder)

    def test_it_does_not_hold_up_a_training(self, tmp_path: Path) -> None:
        with working_in(tmp_path):
            folder = self.run_folder(tmp_path)
            self.begin(folder)
            began = time.monotonic()
            for step in range(LOG_ROUNDS):
                values = {"adversarial": 0.5, "identity": 0.1}
                self.tell("emgen_stage_logged", run=folder, stage="contrast_gan", step=step, values=values)
            taken = time.monotonic() - began
            self.complete(folder)
        require(taken < self.log_seconds, f"{LOG_ROUNDS} logged steps took {taken:.1f} s; the training waited for them")


def contents(folder: Path) -> Mapping[str, bytes]:
    """What stands in a folder, by relative path."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """The block runs in this working directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
