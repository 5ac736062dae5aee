"""Fakes that take their time and write checkpoints, for runs that are killed in the middle."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from emgen import hookimpl
from emgen.errors import Interrupted
from emgen.registration import StageConfig, StagePlugin
from emgen.stages import Context, FloatArray, Stack


class SlowConfig(StageConfig):
    """A random walk of so many steps."""

    steps: int = 30


class SlowTask:
    """A downstream task: a random walk, each step seeded by (seed, step), a checkpoint after each."""

    def __init__(self, config: SlowConfig, context: Context | None = None) -> None:
        self.steps, self.value = config.steps, 0.5

    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None:
        assert context.scratch is not None
        checkpoint = context.scratch / "walk.json"
        done, self.value = json.loads(checkpoint.read_text()) if checkpoint.exists() else (0, 0.5)
        context.plan(self.steps)
        for step in range(done, self.steps):
            if context.should_stop():
                raise Interrupted(f"stopped at {step}")
            self.value += float(np.random.default_rng([context.seed, step]).normal()) + float(image_NHW[0].mean())
            fresh = checkpoint.with_suffix(".new")
            fresh.write_text(json.dumps((step + 1, self.value)))
            fresh.replace(checkpoint)
            context.log(step, {"value": self.value, "process": os.getpid()})
            time.sleep(float(os.environ.get("SLOW_STEP_S", "0")))

    def predict(self, image_NHW: Stack) -> FloatArray:
        return np.stack([image_NHW[i] for i in range(len(image_NHW))])

    def save(self, folder: Path) -> None:
        (folder / "walk.json").write_text(json.dumps(self.value))

    def load(self, folder: Path) -> None:
        self.value = json.loads((folder / "walk.json").read_text())


class SlowSegmenter:
    """Otsu's threshold, slowly."""

    def __init__(self, config: Any, context: Context | None = None) -> None: ...

    def segment(self, image_NHW: Stack) -> Any:
        from emgen.testing.fake_stages import OtsuSegmenter
        from emgen.testing.fakes import SegmenterConfig

        time.sleep(float(os.environ.get("SLOW_IMAGE_S", "0")))
        return OtsuSegmenter(SegmenterConfig(), None).segment(image_NHW)


@hookimpl
def emgen_downstream_tasks() -> list[StagePlugin]:
    return [StagePlugin(name="slow-task", config=SlowConfig, create="slow_plugins:SlowTask", summary="slow")]


@hookimpl
def emgen_rough_segmenters() -> list[StagePlugin]:
    return [StagePlugin(name="slow-segmenter", config=StageConfig, create="slow_plugins:SlowSegmenter", summary="slow")]


def main() -> None:
    """``python slow_plugins.py run SPEC --out DIR``: the command with these plugins and the fakes."""
    import slow_plugins

    import emgen.report
    from emgen.cli import main as command
    from emgen.host import Host, use_host
    from emgen.testing import fakes

    emgen.report.write_report = lambda folder: Path(folder)  # it has tests of its own
    with use_host(Host.from_modules([fakes, slow_plugins])):
        command()


if __name__ == "__main__":
    main()
