"""Checks of metrics and modalities."""

from __future__ import annotations

from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np
from numpy.typing import NDArray

from emgen.errors import EmgenError
from emgen.host import KINDS
from emgen.registration import Kind, MetricPlugin, ModalityPlugin
from emgen.stages import MetricContext, Stack
from emgen.testing.conformance import inputs
from emgen.testing.conformance.base import Conformance, StageConformance
from emgen.testing.conformance.inputs import PlainStack, require, require_equal, require_unit_range

SLOTS = (*(kind for kind in KINDS if kind not in ("modality", "reader", "metric")), "metrics")


class MetricConformance(StageConformance):
    """``compute``: scores by name, for what the plugin ``needs``."""

    kind: ClassVar[Kind] = "metric"
    count: ClassVar[int] = 6

    def features(self, name: str, stack: Stack) -> NDArray[np.float64]:
        """Stand-in for deep features: 8 quantiles of each image, (N, 8)."""
        return np.stack([np.quantile(stack[i], np.linspace(0, 1, 8)) for i in range(len(stack))])

    def context(self) -> MetricContext:
        return MetricContext(seed=3, features=self.features)

    def pair(self, count: int, shape_HW: tuple[int, int] | None = None) -> tuple[Any, Any]:
        """Two stacks of what the metric compares."""
        plugin = self.registered().plugin
        first = inputs.labels(count, shape_HW or self.shape_HW)
        second = inputs.labels(count, shape_HW or self.shape_HW, seed=1)
        if isinstance(plugin, MetricPlugin) and plugin.needs == "prediction":
            return first, second
        return inputs.images(first), inputs.images(second, seed=1)

    def compute(self, a: Any, b: Any) -> dict[str, Any]:
        return dict(self.make(self.context()).compute(a, b, self.context()))

    def test_it_returns_scores_by_name(self) -> None:
        scores = self.compute(*self.pair(self.count))
        require(bool(scores), "compute returned no score")
        for name, value in scores.items():
            require(isinstance(name, str), f"the score {name!r} must be named by a text")
            require(isinstance(value, (float, str)), f'"{name}" is {value!r}, it must be a float or a text')
        numbers = [value for value in scores.values() if not isinstance(value, str)]
        require(bool(np.isfinite(numbers).all()), f"a score is not finite: {scores}")

    def test_its_headline_is_among_its_scores(self) -> None:
        plugin = self.registered().plugin
        assert isinstance(plugin, MetricPlugin)
        if plugin.headline is None:
            raise SkipTest("it names no headline")
        scores = self.compute(*self.pair(self.count))
        value = scores.get(plugin.headline)
        require(isinstance(value, float), f'headline is "{plugin.headline}"; compute returned {sorted(scores)}')
        ends = [scores[name] for end in ("low", "high") if (name := f"{plugin.headline}_{end}") in scores]
        require(len(ends) != 1, f'"{plugin.headline}" has one end of an interval; give both or neither')
        require(not ends or ends[0] <= ends[1], f'the interval of "{plugin.headline}" is upside down: {ends}')

    def test_the_same_seed_gives_the_same_scores(self) -> None:
        require(self.compute(*self.pair(self.count)) == self.compute(*self.pair(self.count)), "two calls differ")

    def test_it_takes_any_stack_and_leaves_it_untouched(self) -> None:
        a, b = self.pair(self.count)
        before = a.copy(), b.copy()
        from_arrays = self.compute(a, b)
        require_equal(a, before[0], "compute changed its first input")
        require_equal(b, before[1], "compute changed its second input")
        require(self.compute(PlainStack(a), PlainStack(b)) == from_arrays, "plain stacks and arrays score differently")

    def test_one_oblong_image_is_scored_or_refused_in_words(self) -> None:
        try:
            self.compute(*self.pair(1, self.oblong_HW))
        except EmgenError as error:
            require(bool(str(error)), "the error for a single image has no text")


class ModalityConformance(Conformance):
    """``normalise``: any micrograph becomes float32 in [0, 1]."""

    kind: ClassVar[Kind] = "modality"
    shape_HW: ClassVar[tuple[int, int]] = (75, 110)

    def modality(self) -> ModalityPlugin:
        plugin = self.registered().plugin
        assert isinstance(plugin, ModalityPlugin)
        return plugin

    def image(self) -> NDArray[np.float32]:
        image_HW: NDArray[np.float32] = inputs.images(inputs.labels(1, self.shape_HW), self.modality().polarity)[0]
        return image_HW

    def test_every_dtype_becomes_the_unit_range(self) -> None:
        normalise = self.registered().load()
        for dtype, high in ((np.uint8, 255), (np.uint16, 60000), (np.int16, 9000), (np.float32, 1), (np.float64, 1e4)):
            image_HW = (self.image() * high).astype(dtype)
            before = image_HW.copy()
            require_unit_range(normalise(image_HW)[None], (1, *self.shape_HW), f"normalise of {np.dtype(dtype).name}")
            require_equal(image_HW, before, "normalise changed its input")

    def test_the_image_stays_the_same_picture(self) -> None:
        image_HW = self.image()
        alike = float(np.corrcoef(image_HW.ravel(), self.registered().load()(image_HW).ravel())[0, 1])
        require(alike > 0.9, f"normalised and original image correlate by {alike:.2f}; normalise must not invert")

    def test_a_hot_pixel_does_not_darken_the_rest(self) -> None:
        normalise, image_HW = self.registered().load(), self.image()
        hot_HW = image_HW.copy()
        hot_HW[10, 20] = 500
        moved = np.abs(normalise(hot_HW) - normalise(image_HW))
        require(float(np.median(moved)) < 0.1, "one hot pixel changes the whole normalised image")

    def test_its_defaults_name_slots_of_a_spec(self) -> None:
        unknown = sorted(
            set(self.modality().defaults) - set(SLOTS) - {"data", "split", "virtual", "gate", "checkpoints"}
        )
        require(not unknown, f"defaults name {unknown}, a spec has {', '.join(SLOTS)}")
