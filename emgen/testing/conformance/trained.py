"""Checks of the stages that are trained: both GANs and the downstream task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np

from emgen.errors import Interrupted
from emgen.exporting.compare import TOLERANCE, greatest_difference
from emgen.exporting.onnx_task import OnnxTask
from emgen.exporting.places import installed
from emgen.registration import Kind
from emgen.stages import Context, FloatArray, LabelArray
from emgen.testing.conformance import inputs
from emgen.testing.conformance.base import StageConformance
from emgen.testing.conformance.inputs import PlainStack, require, require_equal, require_labels, require_unit_range


@dataclass
class Fit:
    """A finished fit, shared by the checks of a class, and what was seen of it."""

    stage: Any
    inputs: tuple[Any, Any]
    before: tuple[Any, Any]
    planned: list[int] = field(default_factory=list)
    logged: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)


class TrainedConformance(StageConformance):
    """Base: fit once, then look at outputs, determinism, saving, and stopping."""

    count: ClassVar[int] = 4
    seed: ClassVar[int] = 3

    def training_data(self) -> tuple[Any, Any]:
        """The two stacks that ``fit`` takes."""
        raise NotImplementedError

    def output(self, stage: Any, count: int = 2, shape_HW: tuple[int, int] | None = None, seed: int = 7) -> FloatArray:
        """What the trained stage makes of new inputs."""
        raise NotImplementedError

    def fit_stage(self, context: Context, data: tuple[Any, Any] | None = None) -> Any:
        stage = self.make(context)
        stage.fit(*(data or self.training_data()), context)
        return stage

    def fitted(self) -> Fit:
        """The one fit that most checks share; made when first asked for."""
        cls = type(self)
        if "_fit" not in vars(cls):
            data = self.training_data()
            fit = Fit(stage=None, inputs=data, before=(data[0].copy(), data[1].copy()))
            context = Context(
                seed=self.seed,
                plan=fit.planned.append,
                log=lambda step, values: fit.logged.append((step, dict(values))),
            )
            fit.stage = self.fit_stage(context, data)
            cls._fit = fit  # type: ignore[attr-defined]
        found: Fit = vars(cls)["_fit"]
        return found

    def test_its_output_is_in_range(self) -> None:
        require_unit_range(self.output(self.fitted().stage), (2, *self.shape_HW), "the output for 2 images")

    def test_it_takes_one_image_that_is_not_square(self) -> None:
        found = self.output(self.fitted().stage, 1, self.oblong_HW)
        require_unit_range(found, (1, *self.oblong_HW), "the output for 1 oblong image")

    def test_fit_leaves_its_inputs_untouched(self) -> None:
        fit = self.fitted()
        for now, before in zip(fit.inputs, fit.before, strict=True):
            require_equal(now, before, "fit changed its input")

    def test_the_same_generator_gives_the_same_output(self) -> None:
        stage = self.fitted().stage
        require_equal(self.output(stage), self.output(stage), "two calls with the same random generator")

    def test_fitted_to_any_stack_the_same_seed_gives_the_same_output(self) -> None:
        first, second = self.training_data()
        again = self.fit_stage(Context(seed=self.seed), (PlainStack(first), PlainStack(second)))
        require_equal(self.output(again), self.output(self.fitted().stage), "two fits with the same seed")

    def test_saved_and_loaded_it_gives_the_same_output(self, tmp_path: Path) -> None:
        stage, again = self.fitted().stage, self.make(Context(seed=self.seed + 1))
        stage.save(tmp_path)
        again.load(tmp_path)
        require_equal(self.output(again), self.output(stage), "after save and load")
        pickles = [path.name for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".pth")]
        require(not pickles, f"save wrote {pickles}: keep weights as safetensors, numbers as JSON, nothing pickled")

    def test_what_it_reports_are_finite_numbers(self) -> None:
        fit = self.fitted()
        require(all(isinstance(n, int) and n >= 0 for n in fit.planned), f"context.plan was given {fit.planned}")
        for step, values in fit.logged:
            good = all(isinstance(value, (int, float)) and np.isfinite(value) for value in values.values())
            require(good, f"context.log({step}, {dict(values)}): values must be finite numbers")

    def test_stopped_and_fitted_again_it_resumes_to_the_same_output(self, tmp_path: Path) -> None:
        polls: list[bool] = []

        def stop_at_the_second_poll() -> bool:
            polls.append(len(polls) >= 1)
            return polls[-1]

        context = Context(seed=self.seed, scratch=tmp_path)
        try:
            self.fit_stage(replace(context, should_stop=stop_at_the_second_poll))
        except Interrupted:
            pass
        else:
            require(not any(polls), "should_stop() was true, but fit went on; it must raise emgen.errors.Interrupted")
            require(bool(polls) or not self.fitted().logged, "fit logs steps but never polls context.should_stop()")
        resumed = self.fit_stage(context)
        require_equal(self.output(resumed), self.output(self.fitted().stage), "stopped and resumed, or in one go")

    def test_a_snapshot_loads_and_taking_it_changes_nothing(self, tmp_path: Path) -> None:
        taken: list[int] = []

        def keep(step: int, save: Callable[[Path], None]) -> bool:
            taken.append(step)
            (tmp_path / str(step)).mkdir(exist_ok=True)
            save(tmp_path / str(step))
            return False

        fitted = self.fit_stage(Context(seed=self.seed, snapshots=2, snapshot=keep))
        require_equal(self.output(fitted), self.output(self.fitted().stage), "with snapshots and without")
        require(taken == sorted(set(taken)), f"context.snapshot was called at steps {taken}: give each once, in order")
        for step in taken:
            again = self.make(Context(seed=self.seed + 1))
            again.load(tmp_path / str(step))
            require_unit_range(self.output(again), (2, *self.shape_HW), f"the output of the snapshot of step {step}")

    def test_a_snapshot_that_asks_for_it_ends_the_training(self) -> None:
        taken: list[int] = []

        def end(step: int, save: Callable[[Path], None]) -> bool:
            taken.append(step)
            return True

        ended = self.fit_stage(Context(seed=self.seed, snapshots=2, snapshot=end))
        require(
            len(taken) < 2, "context.snapshot() was true, but fit went on; it must return as if all steps were done"
        )
        require_unit_range(self.output(ended), (2, *self.shape_HW), "the output after a training ended by a snapshot")


class MorphologyGanConformance(TrainedConformance):
    """``fit(labels, images)``, ``generate(labels)``."""

    kind: ClassVar[Kind] = "morphology_gan"

    def training_data(self) -> tuple[LabelArray, FloatArray]:
        label_NHW = inputs.labels(self.count, self.shape_HW)
        return label_NHW, inputs.images(label_NHW)

    def output(self, stage: Any, count: int = 2, shape_HW: tuple[int, int] | None = None, seed: int = 7) -> FloatArray:
        label_NHW = inputs.labels(count, shape_HW or self.shape_HW, seed=11)
        before = label_NHW.copy()
        found: FloatArray = stage.generate(label_NHW, np.random.default_rng(seed))
        require_equal(label_NHW, before, "generate changed its input")
        return found

    def test_it_generates_from_any_stack(self) -> None:
        stage, label_NHW = self.fitted().stage, inputs.labels(2, self.shape_HW, seed=11)
        found = stage.generate(PlainStack(label_NHW), np.random.default_rng(7))
        require_equal(found, self.output(stage), "generate from a plain stack and from an array")


class ContrastGanConformance(TrainedConformance):
    """``fit(source, target)``, unpaired and of different lengths; ``translate(source)``."""

    kind: ClassVar[Kind] = "contrast_gan"

    def training_data(self) -> tuple[FloatArray, FloatArray]:
        source = inputs.images(inputs.labels(self.count, self.shape_HW))
        target = 0.1 + 0.7 * inputs.images(inputs.labels(self.count + 1, self.shape_HW, seed=1), seed=1)
        return source, target.astype(np.float32)

    def output(self, stage: Any, count: int = 2, shape_HW: tuple[int, int] | None = None, seed: int = 7) -> FloatArray:
        image_NHW = inputs.images(inputs.labels(count, shape_HW or self.shape_HW, seed=11))
        before = image_NHW.copy()
        found: FloatArray = stage.translate(image_NHW, np.random.default_rng(seed))
        require_equal(image_NHW, before, "translate changed its input")
        return found

    def test_it_translates_any_stack(self) -> None:
        stage, image_NHW = self.fitted().stage, inputs.images(inputs.labels(2, self.shape_HW, seed=11))
        found = stage.translate(PlainStack(image_NHW), np.random.default_rng(7))
        require_equal(found, self.output(stage), "translate of a plain stack and of an array")


class DownstreamTaskConformance(TrainedConformance):
    """``fit(images, labels)``, ``predict(images)``, and ``predict_labels`` where it is offered."""

    kind: ClassVar[Kind] = "downstream_task"

    def training_data(self) -> tuple[FloatArray, LabelArray]:
        label_NHW = inputs.labels(self.count, self.shape_HW)
        return inputs.images(label_NHW), label_NHW

    def output(self, stage: Any, count: int = 2, shape_HW: tuple[int, int] | None = None, seed: int = 7) -> FloatArray:
        image_NHW = inputs.images(inputs.labels(count, shape_HW or self.shape_HW, seed=11))
        before = image_NHW.copy()
        found: FloatArray = stage.predict(image_NHW)
        require_equal(image_NHW, before, "predict changed its input")
        return found

    def test_it_predicts_any_stack(self) -> None:
        stage, image_NHW = self.fitted().stage, inputs.images(inputs.labels(2, self.shape_HW, seed=11))
        require_equal(stage.predict(PlainStack(image_NHW)), self.output(stage), "predict of a plain stack and an array")

    def test_it_trains_on_from_an_earlier_state_or_anew(self, tmp_path: Path) -> None:
        self.fitted().stage.save(tmp_path)
        context = Context(seed=self.seed, start_from=tmp_path)
        again, once_more = self.fit_stage(context), self.fit_stage(context)
        require_unit_range(self.output(again), (2, *self.shape_HW), "the output after a training from an earlier state")
        require_equal(self.output(again), self.output(once_more), "two trainings from the same earlier state")

    def test_exported_as_onnx_it_predicts_the_same(self, tmp_path: Path) -> None:
        stage = self.fitted().stage
        if not hasattr(stage, "export_onnx"):
            return  # `emgen export` then refuses its models
        if not (installed("onnx") and installed("onnxruntime")):
            raise SkipTest("onnx and onnxruntime are not installed: pip install 'emgen[onnx]'")
        stage.export_onnx(tmp_path / "stage.onnx")
        found = greatest_difference(stage, OnnxTask(tmp_path / "stage.onnx", "cpu"), "bright")
        require(found <= TOLERANCE, f"as ONNX its probabilities differ by up to {found:.2g}; {TOLERANCE:g} is allowed")

    def test_instances_it_finds_itself_are_labels(self) -> None:
        stage = self.fitted().stage
        if hasattr(stage, "predict_labels"):
            image_NHW = inputs.images(inputs.labels(2, self.shape_HW, seed=11))
            require_labels(stage.predict_labels(image_NHW), image_NHW.shape, "predict_labels(2 images)")
