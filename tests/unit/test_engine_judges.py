"""The judges: what each says of phantoms, and of phantoms spoilt on purpose."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from emgen import fidelity
from emgen.engine.judges import MetricJudge, SizeJudge, cut_apart, side_by_side
from emgen.engine.judges_fidelity import Check, ContrastJudge, FidelityJudge
from emgen.errors import BadImageError, NoImagesError
from emgen.selection import Criterion, clearly_better
from emgen.stages import Context, MetricContext
from emgen.testing.fake_stages import OtsuSegmenter
from emgen.testing.fakes import SegmenterConfig
from emgen.testing.phantoms import phantom_stack

KID = Criterion("kid", "KID", "lower")


def discs(count: int, radius: float, seed: int = 0) -> tuple[Any, Any]:
    """(N, 64, 64) noisy images with a few bright discs, and their labels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.ogrid[:64, :64]
    label_NHW = np.zeros((count, 64, 64), np.int32)
    for label_HW in label_NHW:
        for number, (y, x) in enumerate(((16, 16), (16, 48), (48, 16), (48, 48)), start=1):
            y, x = y + rng.integers(-3, 4), x + rng.integers(-3, 4)
            label_HW[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = number
    image_NHW = np.clip(rng.normal(0.25 + 0.5 * (label_NHW > 0), 0.03), 0, 1).astype(np.float32)
    return image_NHW, label_NHW


def otsu(image_NHW: Any) -> Any:
    return OtsuSegmenter(SegmenterConfig(), Context()).segment(image_NHW)


def test_sizes_that_are_right_are_clearly_nearer_than_wrong_ones() -> None:
    judge = SizeJudge(otsu, discs(24, 6.0, seed=1)[0])
    right, wrong = (judge.measure(discs(16, radius, seed=2)[0]) for radius in (6.0, 8.0))
    assert right.value < 0.03
    assert wrong.value == pytest.approx(1 / 3, abs=0.06)
    assert clearly_better(right, wrong, judge.criterion)


def test_images_without_particles_are_as_far_off_as_can_be() -> None:
    judge = SizeJudge(lambda image_NHW: otsu(image_NHW) * int(image_NHW.max() > 0.5), discs(24, 6.0)[0])
    assert judge.measure(np.full((16, 64, 64), 0.2, np.float32)).value == pytest.approx(1.0, abs=0.05)


def test_real_crops_without_particles_have_no_sizes_to_compare_with() -> None:
    with pytest.raises(NoImagesError, match="only 0 whole particles"):
        SizeJudge(lambda image_NHW: np.zeros(image_NHW.shape, np.int32), discs(4, 6.0)[0])


def test_images_that_show_other_particles_than_their_labels_are_found() -> None:
    phantoms = phantom_stack(16, (96, 96), seed=0)
    image_NHW, label_NHW = (np.stack([getattr(p, name) for p in phantoms]) for name in ("image_HW", "label_HW"))
    judge = FidelityJudge(Check(label_NHW, "bright"))
    right, shuffled = judge.measure(image_NHW), judge.measure(image_NHW[::-1])
    assert right.value > 0.9
    assert clearly_better(right, shuffled, judge.criterion)


def faded(image_NHW: Any, label_NHW: Any, factor: float) -> Any:
    """Particles so many times as strong above a support of 0.25."""
    return np.where(label_NHW > 0, 0.25 + factor * (image_NHW - 0.25), image_NHW).astype(np.float32)


@pytest.mark.parametrize("polarity", ["bright", "dark"])
def test_particles_that_are_too_strong_or_too_faint_are_clearly_farther_than_right_ones(polarity: Any) -> None:
    shown = (lambda image_NHW: image_NHW) if polarity == "bright" else (lambda image_NHW: 1 - image_NHW)
    image_NHW, label_NHW = discs(16, 6.0, seed=1)
    real_MHW, rough_MHW = discs(24, 7.0, seed=2)
    real_MHW = faded(real_MHW, rough_MHW, 0.5)
    judge = ContrastJudge(Check(label_NHW, polarity), shown(real_MHW), rough_MHW)
    faint, right, strong = (judge.measure(shown(faded(image_NHW, label_NHW, f))) for f in (0.2, 0.5, 1.0))
    assert right.value < 0.05
    assert faint.value == pytest.approx(0.6, abs=0.05)
    assert strong.value == pytest.approx(1.0, abs=0.05)
    assert clearly_better(right, faint, judge.criterion)
    assert clearly_better(right, strong, judge.criterion)


def test_rough_masks_with_hardly_a_particle_have_no_contrast_to_compare_with() -> None:
    image_NHW, label_NHW = discs(2, 6.0)
    check = Check(label_NHW, "bright")
    with pytest.raises(NoImagesError, match="only 8 particles"):
        ContrastJudge(check, image_NHW, label_NHW)
    with pytest.raises(NoImagesError, match="no contrast"):
        ContrastJudge(check, 1 - np.concatenate([image_NHW] * 2), np.concatenate([label_NHW] * 2))


def test_both_judges_measure_the_same_images_once(monkeypatch: pytest.MonkeyPatch) -> None:
    image_NHW, label_NHW = discs(16, 6.0)
    check = Check(label_NHW, "bright")
    judges = ContrastJudge(check, image_NHW, label_NHW), FidelityJudge(check)
    asked: list[int] = []
    measure_all = fidelity.measure_all
    monkeypatch.setattr(fidelity, "measure_all", lambda *given: asked.append(1) or measure_all(*given))
    for image in (image_NHW, image_NHW[::-1].copy()):
        for judge in judges:
            judge.measure(image)
    assert len(asked) == 2


class Mean:
    """A metric that counts how often features are extracted."""

    def __init__(self) -> None:
        self.extracted = 0

    def extract(self, name: str, stack: Any) -> Any:
        self.extracted += 1
        return np.array([stack[i].mean() for i in range(len(stack))])

    def compute(self, a: Any, b: Any, context: Any) -> dict[str, float]:
        assert context.features is not None
        first, second = (context.features("mean", stack) for stack in (a, b))
        assert first.shape == (len(a),)
        assert first == pytest.approx([a[i].mean() for i in range(len(a))])
        return {"distance": float(abs(first.mean() - second.mean()))}


def test_features_of_a_stack_serve_its_parts() -> None:
    metric, real_MHW = Mean(), discs(12, 6.0)[0]
    kept: dict[int, Any] = {}

    def features(name: str, stack: Any) -> Any:
        if id(stack) not in kept:
            kept[id(stack)] = metric.extract(name, stack)
        return kept[id(stack)]

    judge = MetricJudge(KID, metric, "distance", real_MHW, MetricContext(), features)
    made = discs(10, 6.0, seed=3)[0], discs(10, 9.0, seed=3)[0]
    near, far = (judge.measure(image_NHW) for image_NHW in made)
    assert metric.extracted == 3
    assert len(near.without_G) == 8
    assert clearly_better(near, far, KID)


def test_images_that_a_metric_refuses_have_no_number() -> None:
    class Strict:
        def compute(self, a: Any, b: Any, context: Any) -> dict[str, float]:
            if float(np.ptp(np.asarray(a))) == 0:
                raise BadImageError("all grey")
            return {"distance": 1.0}

    judge = MetricJudge(KID, Strict(), "distance", discs(8, 6.0)[0], MetricContext())
    assert math.isnan(judge.measure(np.full((8, 64, 64), 0.5, np.float32)).value)
    assert judge.measure(discs(8, 6.0)[0]).value == 1.0


@pytest.mark.parametrize("count", [1, 5, 9, 12])
def test_crops_laid_side_by_side_come_apart_again(count: int) -> None:
    image_NHW = np.random.default_rng(0).random((count, 4, 6)).astype(np.float32)
    sheet_HW = side_by_side(image_NHW)
    np.testing.assert_array_equal(cut_apart(sheet_HW, count, (4, 6)), image_NHW)
