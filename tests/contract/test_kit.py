"""The kit finds what it is there to find: for each promise of the contract a stage that breaks it, and only it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from pydantic import ConfigDict

from emgen.registration import StageConfig, StagePlugin
from emgen.stages import Context, Stack
from emgen.testing import fakes
from emgen.testing.conformance import (
    CONFORMANCE,
    DownstreamTaskConformance,
    MaskSamplerConformance,
    ReaderConformance,
    RoughSegmenterConformance,
    run_checks,
)
from emgen.testing.conformance.base import Conformance
from emgen.testing.fake_stages import DiscSampler, LogisticThreshold, NpyReader, OtsuSegmenter

SEGMENTER = fakes.emgen_rough_segmenters()[0]
SAMPLER = fakes.emgen_mask_samplers()[0]
TASK = fakes.emgen_downstream_tasks()[0]


class Gaps(OtsuSegmenter):
    def segment(self, image_NHW: Stack) -> Any:
        return 2 * super().segment(image_NHW)


class WrongType(OtsuSegmenter):
    def segment(self, image_NHW: Stack) -> Any:
        return super().segment(image_NHW).astype(np.int64)


class SquareOnly(OtsuSegmenter):
    def segment(self, image_NHW: Stack) -> Any:
        return super().segment(image_NHW).swapaxes(1, 2)


class Scribbles(OtsuSegmenter):
    def segment(self, image_NHW: Stack) -> Any:
        labels = super().segment(image_NHW)
        image_NHW[0][...] = 0
        return labels


class WantsAnArray(OtsuSegmenter):
    def segment(self, image_NHW: Any) -> Any:
        return super().segment(image_NHW.astype(np.float32))


class Moody(OtsuSegmenter):
    calls = itertools.count(1)

    def segment(self, image_NHW: Stack) -> Any:
        labels = super().segment(image_NHW)
        labels[0, 0, : next(self.calls)] = 1
        return labels


class IgnoresTheGenerator(DiscSampler):
    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> Any:
        return super().sample(n, shape_HW, np.random.default_rng(0))


class ForgetsItsState(DiscSampler):
    def load(self, folder: Any) -> None:
        super().load(folder)
        self.moments["diameter"] *= 2


class OutOfRange(LogisticThreshold):
    def predict(self, image_NHW: Stack) -> Any:
        return 2 * super().predict(image_NHW)


class NeverStops(LogisticThreshold):
    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None:
        context.should_stop(), context.should_stop()
        super().fit(image_NHW, label_NHW, Context(seed=context.seed, log=context.log))


class NeverAsks(LogisticThreshold):
    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None:
        super().fit(image_NHW, label_NHW, Context(seed=context.seed, log=context.log))


class StartsAnewOnTopOfTheOld(LogisticThreshold):
    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None:
        checkpoint = context.scratch / "fake-checkpoint.json" if context.scratch else None
        if checkpoint and checkpoint.exists():
            checkpoint.write_text('[0, {"inside": 0.3, "outside": 0.1, "noise": 0.0}]')
        super().fit(image_NHW, label_NHW, context)
        if checkpoint and checkpoint.exists():
            self.moments["inside"] += 0.1


class LogsNonsense(LogisticThreshold):
    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None:
        super().fit(image_NHW, label_NHW, context)
        context.log(99, {"loss": float("nan")})


def wrong(conformance: type[Conformance], plugin: StagePlugin, implementation: Callable[..., Any]) -> type[Conformance]:
    """The conformance class of a plugin whose implementation is another one."""

    def make(self: Any, context: Any = None) -> Any:
        return implementation(self.config(), context or Context())

    return type("Wrong", (conformance,), {"plugin": plugin, "make": make})


BREAKS = [
    (RoughSegmenterConformance, SEGMENTER, Gaps, "1 … K without a gap"),
    (RoughSegmenterConformance, SEGMENTER, WrongType, "int64, it must be int32"),
    (RoughSegmenterConformance, SEGMENTER, SquareOnly, "has the shape (1, 110, 75)"),
    (RoughSegmenterConformance, SEGMENTER, Scribbles, "changed its input"),
    (RoughSegmenterConformance, SEGMENTER, WantsAnArray, "astype"),
    (RoughSegmenterConformance, SEGMENTER, Moody, "twice, same seed: the outputs differ"),
    (MaskSamplerConformance, SAMPLER, IgnoresTheGenerator, "ignores the random generator"),
    (MaskSamplerConformance, SAMPLER, ForgetsItsState, "after save and load: the outputs differ"),
    (DownstreamTaskConformance, TASK, OutOfRange, "it must stay in [0, 1]"),
    (DownstreamTaskConformance, TASK, NeverStops, "should_stop() was true, but fit went on"),
    (DownstreamTaskConformance, TASK, NeverAsks, "never polls context.should_stop()"),
    (DownstreamTaskConformance, TASK, StartsAnewOnTopOfTheOld, "stopped and resumed, or in one go: the outputs differ"),
    (DownstreamTaskConformance, TASK, LogsNonsense, "values must be finite numbers"),
]


@pytest.mark.parametrize(
    ("conformance", "plugin", "implementation", "text"), BREAKS, ids=lambda x: getattr(x, "__name__", "")
)
def test_a_broken_promise_is_found_and_said(
    conformance: type[Conformance], plugin: StagePlugin, implementation: Callable[..., Any], text: str
) -> None:
    results = list(run_checks(wrong(conformance, plugin, implementation)))
    failures = [result.text for result in results if result.outcome == "failed"]
    assert any(text in failure for failure in failures), failures
    assert any(result.outcome == "passed" for result in results)


def test_a_reader_that_reads_anything_is_found() -> None:
    class ReadsAnything(NpyReader):
        def open(self, path: Any) -> Any:
            try:
                return super().open(path)
            except Exception:
                return []

    class Wrong(ReaderConformance):
        (plugin,) = fakes.emgen_readers()

        def open(self, path: Any) -> Any:
            return ReadsAnything().open(path)

    failed = {result.name for result in run_checks(Wrong) if result.outcome == "failed"}
    assert failed == {"test_a_file_of_something_else_is_refused", "test_a_truncated_file_is_refused"}


def test_a_reader_that_reads_a_whole_series_to_give_one_frame_is_found() -> None:
    class Greedy(NpyReader):
        def open(self, path: Any) -> Any:
            return [replace(m, image_HW=np.array(m.image_HW)) for m in super().open(path)]

    class Wrong(ReaderConformance):
        (plugin,) = fakes.emgen_readers()

        def open(self, path: Any) -> Any:
            return Greedy().open(path)

    failed = {result.name: result.text for result in run_checks(Wrong) if result.outcome == "failed"}
    assert set(failed) == {"test_a_series_is_read_frame_by_frame"}
    assert "read frames when they are asked for" in failed["test_a_series_is_read_frame_by_frame"]


def test_a_reader_that_changes_the_depth_is_found() -> None:
    class Bytes(NpyReader):
        def open(self, path: Any) -> Any:
            return [replace(m, image_HW=np.array(m.image_HW).astype(np.float64)) for m in super().open(path)]

    class Wrong(ReaderConformance):
        (plugin,) = fakes.emgen_readers()
        count = 1

        def open(self, path: Any) -> Any:
            return Bytes().open(path)

    failed = {result.name: result.text for result in run_checks(Wrong) if result.outcome == "failed"}
    assert "uint8 was written, float64 was read" in failed["test_the_depth_of_the_file_is_kept"]


@pytest.mark.parametrize("loose", [True, False])
def test_a_reader_with_loose_settings_or_without_a_default_is_found(loose: bool) -> None:
    class Loose(StageConfig):
        model_config = ConfigDict(extra="allow")

    class Asking(StageConfig):
        channel: int

    class Wrong(ReaderConformance):
        plugin = replace(fakes.emgen_readers()[0], config=Loose if loose else Asking)

        def open(self, path: Any) -> Any:
            return NpyReader().open(path)

    failed = {result.name: result.text for result in run_checks(Wrong) if result.outcome == "failed"}
    said = failed["test_its_settings_if_any_have_defaults_and_forbid_extras"]
    assert ("misspelt" if loose else "without a word") in said


def test_loose_settings_and_a_wrong_preset_are_found() -> None:
    class Loose(StageConfig):
        model_config = ConfigDict(extra="allow", frozen=False)
        steps: int = 1

    class WrongPreset(fakes.TrainedConfig):
        presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"quick": {"steps": -1}}

    def failures(config: type[StageConfig]) -> set[str]:
        plugin = StagePlugin(name="loose", config=config, create=SEGMENTER.create, summary="")
        checked = type("Checked", (RoughSegmenterConformance,), {"plugin": plugin, "settings": {"steps": 2}})
        return {result.name for result in run_checks(checked) if result.outcome == "failed"}

    assert "test_its_settings_are_frozen_and_forbid_extras" in failures(Loose)
    assert "test_its_presets_hold_valid_settings" in failures(WrongPreset)


def test_heavy_imports_at_registration_are_found(fake_distribution: Any) -> None:
    source = """
        import zarr
        from emgen import hookimpl
        from emgen.registration import StageConfig, StagePlugin

        @hookimpl
        def emgen_rough_segmenters():
            create = "emgen.testing.fake_stages:OtsuSegmenter"
            return [StagePlugin(name="heavy", config=StageConfig, create=create, summary="")]
    """
    fake_distribution("emgen-heavy", {"emgen_heavy": source})

    class Heavy(RoughSegmenterConformance):
        plugin = "heavy"

    (failure,) = (r for r in run_checks(Heavy) if r.name == "test_its_registration_imports_no_heavy_library")
    assert "importing emgen_heavy imports" in failure.text
    assert "zarr" in failure.text


def test_there_is_a_conformance_class_for_every_kind() -> None:
    assert all(cls.kind == kind for kind, cls in CONFORMANCE.items())
    assert len(CONFORMANCE) == 8
