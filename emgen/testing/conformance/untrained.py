"""Checks of the stages that train no network: rough segmenters and mask samplers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import numpy as np

from emgen.exporting.places import installed
from emgen.registration import Kind
from emgen.stages import Context, LabelArray
from emgen.testing.conformance import inputs
from emgen.testing.conformance.base import StageConformance
from emgen.testing.conformance.inputs import PlainStack, require, require_equal, require_labels


class RoughSegmenterConformance(StageConformance):
    """``segment``: instances for images of any size. One that offers ``fit`` is taught on a few images first."""

    kind: ClassVar[Kind] = "rough_segmenter"
    oblong_HW: ClassVar[tuple[int, int]] = (75, 110)

    def segment(self, image_NHW: Any) -> LabelArray:
        found: LabelArray = self.taught().segment(image_NHW)
        return found

    def taught(self) -> Any:
        segmenter = self.make(Context(seed=3))
        if hasattr(segmenter, "fit"):
            segmenter.fit(list(inputs.images(inputs.labels(2, self.shape_HW))), Context(seed=3))
        return segmenter

    def test_what_it_has_learnt_is_saved_and_loaded(self, tmp_path: Path) -> None:
        taught = self.taught()
        if not hasattr(taught, "fit"):
            return  # it learns nothing
        image_NHW = inputs.images(inputs.labels(2, self.shape_HW))
        taught.save(tmp_path / "state")
        loaded = self.make(Context(seed=3))
        loaded.load(tmp_path / "state")
        require_equal(loaded.segment(image_NHW), taught.segment(image_NHW), "segment after save and load")

    def test_exported_as_onnx_it_finds_the_same_instances(self, tmp_path: Path) -> None:
        taught = self.taught()
        if not hasattr(taught, "export_onnx"):
            return  # an exported model then brings its settings and what it saved
        if not (installed("onnx") and installed("onnxruntime")):
            raise SkipTest("onnx and onnxruntime are not installed: pip install 'emgen[onnx]'")
        taught.export_onnx(tmp_path)
        loaded = self.make(Context(seed=3))
        loaded.load(tmp_path)
        image_NHW = inputs.images(inputs.labels(2, self.shape_HW))
        differing = float(np.mean((taught.segment(image_NHW) > 0) != (loaded.segment(image_NHW) > 0)))
        require(differing < 0.001, f"as ONNX it gives {differing:.2%} of all pixels another mask")

    def test_it_returns_instances_of_the_images_shape(self) -> None:
        image_NHW = inputs.images(inputs.labels(3, self.shape_HW))
        require_labels(self.segment(image_NHW), image_NHW.shape, "segment(3 images)")

    def test_it_takes_one_image_that_is_not_square(self) -> None:
        image_NHW = inputs.images(inputs.labels(1, self.oblong_HW))
        require_labels(self.segment(image_NHW), image_NHW.shape, "segment(1 oblong image)")

    def test_it_survives_an_image_without_particles(self) -> None:
        image_NHW = inputs.images(np.zeros((1, *self.shape_HW), np.int32))
        require_labels(self.segment(image_NHW), image_NHW.shape, "segment(an empty image)")

    def test_the_same_seed_gives_the_same_labels(self) -> None:
        image_NHW = inputs.images(inputs.labels(2, self.shape_HW))
        require_equal(self.segment(image_NHW), self.segment(image_NHW), "segment twice, same seed")

    def test_it_takes_any_stack_and_leaves_it_untouched(self) -> None:
        image_NHW = inputs.images(inputs.labels(2, self.shape_HW))
        before = image_NHW.copy()
        from_array = self.segment(image_NHW)
        require_equal(image_NHW, before, "segment changed its input")
        require_equal(self.segment(PlainStack(before)), from_array, "segment of a plain stack and of an array")


class MaskSamplerConformance(StageConformance):
    """``fit`` and ``sample``: random instance masks."""

    kind: ClassVar[Kind] = "mask_sampler"
    shape_HW: ClassVar[tuple[int, int]] = (96, 96)
    oblong_HW: ClassVar[tuple[int, int]] = (96, 130)

    def fitted(self, label_NHW: Any = None) -> Any:
        sampler = self.make(Context(seed=3))
        sampler.fit(inputs.labels(4, self.shape_HW) if label_NHW is None else label_NHW)
        return sampler

    def sample(self, sampler: Any, n: int = 3, seed: int = 5, shape_HW: tuple[int, int] | None = None) -> LabelArray:
        found: LabelArray = sampler.sample(n, shape_HW or self.shape_HW, np.random.default_rng(seed))
        return found

    def test_it_samples_instances_of_the_asked_shape(self) -> None:
        found = self.sample(self.fitted())
        require_labels(found, (3, *self.shape_HW), "sample(3)")
        require(bool(found.any()), "three sampled masks hold no particle")

    def test_it_samples_one_mask_that_is_not_square(self) -> None:
        found = self.sample(self.fitted(), n=1, shape_HW=self.oblong_HW)
        require_labels(found, (1, *self.oblong_HW), "sample(1) of an oblong shape")

    def test_the_same_generator_gives_the_same_masks_and_another_gives_others(self) -> None:
        sampler = self.fitted()
        require_equal(self.sample(sampler), self.sample(sampler), "sample twice, same generator state")
        require_equal(self.sample(self.fitted()), self.sample(sampler), "fit and sample twice, same seeds")
        other = self.sample(sampler, seed=6)
        require(not np.array_equal(other, self.sample(sampler)), "sample ignores the random generator it is given")

    def test_it_takes_any_stack_and_leaves_it_untouched(self) -> None:
        label_NHW = inputs.labels(4, self.shape_HW)
        before = label_NHW.copy()
        from_array = self.sample(self.fitted(label_NHW))
        require_equal(label_NHW, before, "fit changed its input")
        require_equal(self.sample(self.fitted(PlainStack(before))), from_array, "fitted to a plain stack and an array")

    def test_it_can_be_fitted_to_one_image(self) -> None:
        require_labels(self.sample(self.fitted(inputs.labels(1, self.shape_HW))), (3, *self.shape_HW), "sample(3)")

    def test_saved_and_loaded_it_samples_the_same_masks(self, tmp_path: Path) -> None:
        sampler, again = self.fitted(), self.make(Context(seed=4))
        sampler.save(tmp_path)
        again.load(tmp_path)
        require_equal(self.sample(again), self.sample(sampler), "after save and load")
