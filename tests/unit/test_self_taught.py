"""The rough segmenter that learns on the stack itself: its lessons, what it finds, and what travels with a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emgen.errors import Interrupted, ModelError, PreflightError
from emgen.stages import Context
from emgen.testing.phantoms import phantom_stack
from emgen_segmenters.config import SelfTaughtConfig
from emgen_segmenters.lessons import draw, lessons, strength, without
from emgen_segmenters.self_taught import SelfTaught, check, without_obvious

TINY = SelfTaughtConfig(**SelfTaughtConfig.presets["check"])


def images(count: int = 3) -> list[np.ndarray]:
    return [phantom.image_HW for phantom in phantom_stack(count, (128, 128), seed=0, diameter=14.0)]


def lesson(found=None, count: int = 6):
    return lessons(images(), found, count, 64, (0.5, 4.0), (0.0, 1.0), Context(seed=1))


def test_a_lesson_is_a_micrograph_that_is_brighter_where_something_was_drawn():
    image_NHW, label_NHW = lesson()
    assert image_NHW.shape == label_NHW.shape == (6, 64, 64)
    assert label_NHW.max() > 0
    assert 0 <= image_NHW.min() < image_NHW.max() <= 1


def test_drawing_changes_only_the_particles_and_their_soft_rims():
    plain, label = np.full((64, 64), 0.3, np.float32), np.zeros((64, 64), np.int32)
    plain += np.random.default_rng(0).normal(0, 0.02, plain.shape).astype(np.float32)
    label[20:34, 20:34] = 1
    drawn = draw(plain, label, (1.0, 2.0), (0.5, 0.5), np.random.default_rng(0))
    assert (drawn - plain)[24:30, 24:30].min() > 0.5 * strength(plain)
    np.testing.assert_allclose(drawn[:14], plain[:14], atol=1e-6)


def test_particles_found_before_are_labelled_in_the_next_lessons_and_not_drawn_over():
    found = [np.zeros((128, 128), np.int32) for _ in range(3)]
    for label_HW in found:
        label_HW[::16, ::16] = 1
    alone, together = lesson(), lesson(found)
    assert (together[1] > 0).sum() > (alone[1] > 0).sum() * 0.3
    for label_HW in together[1]:
        known = np.unique(label_HW[label_HW > 0])
        assert known.size == 0 or known.max() <= label_HW.max()


def test_instances_can_be_left_out():
    label_HW = np.array([[1, 2, 3], [0, 2, 3]], np.int32)
    np.testing.assert_array_equal(without(label_HW, np.array([2])), [[1, 0, 2], [0, 0, 2]])


def test_it_must_be_taught_before_it_segments():
    with pytest.raises(ModelError, match="not taught"):
        SelfTaught(TINY, Context()).segment(np.zeros((1, 64, 64), np.float32))


def test_dark_particles_are_learnt_as_bright_ones_of_the_inverted_image():
    taught = {}
    for polarity, stack in (("bright", images()), ("dark", [1 - image for image in images()])):
        segmenter = SelfTaught(TINY, Context(seed=0, polarity=polarity))
        segmenter.fit(stack, Context(seed=0, polarity=polarity))
        taught[polarity] = segmenter.segment(stack[0][None])
    np.testing.assert_array_equal(taught["bright"], taught["dark"])


def test_finished_trainings_of_an_interrupted_run_are_not_repeated(tmp_path: Path):
    whole = SelfTaught(TINY, Context(seed=0))
    whole.fit(images(), Context(seed=0))
    seen: list[int] = []
    stop = Context(seed=0, scratch=tmp_path, log=lambda step, values: seen.append(step), should_stop=lambda: 3 in seen)
    with pytest.raises(Interrupted):
        SelfTaught(TINY, Context(seed=0)).fit(images(), stop)
    again: list[int] = []
    resumed = SelfTaught(TINY, Context(seed=0))
    resumed.fit(images(), Context(seed=0, scratch=tmp_path, log=lambda step, values: again.append(step)))
    assert min(again) > 2  # the first training has two steps
    image_NHW = images()[0][None]
    np.testing.assert_array_equal(resumed.segment(image_NHW), whole.segment(image_NHW))


def test_without_a_diameter_it_looks_for_the_size_itself(tmp_path: Path):
    segmenter = SelfTaught(TINY.model_copy(update={"diameter": None}), Context(seed=0))
    segmenter.fit(images(), Context(seed=0))
    segmenter.save(tmp_path)
    assert json.loads((tmp_path / "self_taught.json").read_text())["nets"] == ["finder", "segmenter"]


def test_a_missing_model_to_start_from_is_found_before_the_run():
    with pytest.raises(PreflightError, match="start_from"):
        check(SelfTaughtConfig(start_from="no/such/model"), "cpu")


@pytest.mark.slow
def test_it_finds_most_of_the_particles_of_a_phantom_stack():
    stack = phantom_stack(12, (256, 256), seed=40, diameter=14.0)
    segmenter = SelfTaught(SelfTaughtConfig(diameter=14.0), Context(seed=0))
    segmenter.fit([phantom.image_HW for phantom in stack], Context(seed=0))
    found = np.stack([segmenter.segment(phantom.image_HW[None])[0] for phantom in stack]) > 0
    true = np.stack([phantom.label_HW for phantom in stack]) > 0
    assert (found & true).sum() / (found | true).sum() > 0.4


def test_what_stands_out_by_itself_is_no_background_of_the_first_training() -> None:
    """The brightest particles, left in, were learnt as support."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128]
    support = (0.3 + rng.normal(0, 0.02, y.shape)).astype(np.float32)
    particles = [(30, 40), (90, 30), (70, 95)]
    discs = np.any([(y - cy) ** 2 + (x - cx) ** 2 < 7**2 for cy, cx in particles], axis=0)
    bare = without_obvious(np.where(discs, support + 0.5, support).astype(np.float32))
    assert bare[discs].max() < 0.4
    np.testing.assert_allclose(without_obvious(support).mean(), support.mean(), atol=0.01)


def test_it_is_made_fast_where_its_networks_can_be_and_stays_as_it_is_where_they_came_out_of_a_file(
    tmp_path: Path,
) -> None:
    taught = SelfTaught(TINY, Context(seed=1))
    taught.fit(np.stack(images()), Context(seed=1))
    taught.accelerate("float32")
    taught.export_onnx(tmp_path)
    out_of_file = SelfTaught(TINY, Context(seed=1))
    out_of_file.load(tmp_path)
    out_of_file.accelerate("float32")
    stack = np.stack(images(1))
    assert np.array_equal(out_of_file.segment(stack), taught.segment(stack))
