"""The hooks, nothing else. A plugin module implements any of them with ``@emgen.hookimpl``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:  # `emgen --help` needs neither pydantic nor numpy
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from emgen.registration import MetricPlugin, ModalityPlugin, ReaderPlugin, StagePlugin

PROJECT = "emgen"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def emgen_modalities() -> Iterable[ModalityPlugin]:  # type: ignore[empty-body]
    """Ways of imaging: polarity, normalisation, defaults for the other stages."""


@hookspec
def emgen_readers() -> Iterable[ReaderPlugin]:  # type: ignore[empty-body]
    """File formats."""


@hookspec
def emgen_rough_segmenters() -> Iterable[StagePlugin]:  # type: ignore[empty-body]
    """Step 2: rough masks for few micrographs."""


@hookspec
def emgen_mask_samplers() -> Iterable[StagePlugin]:  # type: ignore[empty-body]
    """Step 4: random instance masks."""


@hookspec
def emgen_morphology_gans() -> Iterable[StagePlugin]:  # type: ignore[empty-body]
    """Step 3: mask to image, paired."""


@hookspec
def emgen_contrast_gans() -> Iterable[StagePlugin]:  # type: ignore[empty-body]
    """Step 5: 1st generation to real, unpaired."""


@hookspec
def emgen_downstream_tasks() -> Iterable[StagePlugin]:  # type: ignore[empty-body]
    """Step 6: the model the user keeps."""


@hookspec
def emgen_metrics() -> Iterable[MetricPlugin]:  # type: ignore[empty-body]
    """Step 7: scores."""


@hookspec
def emgen_run_started(run: Path) -> None:
    """A run begins, or goes on where it had stopped; its ``spec.yaml`` and ``manifest.json`` stand in the folder."""


@hookspec
def emgen_run_finished(run: Path, status: str, error: BaseException | None) -> None:
    """A run ended: ``complete``, ``interrupted`` or ``failed``, as its manifest says, and by which ``error`` where it
    is not complete. All that the run leaves stands in its folder, the report too."""


@hookspec
def emgen_stage_started(run: Path, stage: str) -> None:
    """A stage begins. ``run`` is the run folder, ``stage`` the name of the step."""


@hookspec
def emgen_stage_logged(run: Path, stage: str, step: int, values: Mapping[str, float]) -> None:
    """A stage logged values (losses) at a step."""


@hookspec
def emgen_stage_finished(run: Path, stage: str, artifact: Path, cached: bool) -> None:
    """A stage's artifact stands complete in the folder ``artifact``; ``cached``: it stood there before."""


@hookspec
def emgen_stage_failed(run: Path, stage: str, error: BaseException) -> None:
    """A stage failed; the run stops after this call."""
