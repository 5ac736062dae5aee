"""Is a micrograph of the domain that a model was trained on? What a reference says, and what it promises."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from emgen.domain import FEATURES, FILE, Reference, describe, learn_reference
from emgen.domain.features import NAMES
from emgen.engine.steps_data import Pixels
from emgen.engine.steps_domain import MOST, spread
from emgen.errors import DataError, ModelError
from emgen.model import Segmentation, load_model
from emgen.testing.phantoms import phantom_stack
from emgen_modalities.normalise import normalise

DIAMETER = 14.0


def truth(image_HW: np.ndarray, label_HW: np.ndarray, factor: float = 1.0) -> Segmentation:
    """A segmentation that finds exactly what is there."""
    probability_HW = np.where(label_HW > 0, 0.95, 0.02).astype(np.float32)
    return Segmentation(label_HW=label_HW, probability_HW=probability_HW, factor=factor)


class ByBrightness:
    """As instant a model as can be: what is bright is particle."""

    working_diameter = DIAMETER

    @property
    def task(self) -> ByBrightness:
        return self

    def predict(self, image_NHW: np.ndarray) -> np.ndarray:
        smooth_NHW = ndimage.uniform_filter(image_NHW, (0, 3, 3))
        return np.clip(smooth_NHW * 2 - 0.6, 0, 1).astype(np.float32)

    def segment(self, image_HW: np.ndarray) -> Segmentation:
        (probability_HW,) = self.predict(image_HW[None])
        label_HW = ndimage.label(probability_HW > 0.5)[0].astype(np.int32)
        return Segmentation(label_HW=label_HW, probability_HW=probability_HW, factor=1.0)


MODEL = ByBrightness()


def stack(count: int, first: int = 0, side: int = 128, **settings: object) -> list[np.ndarray]:
    return [normalise(p.image_HW) for p in phantom_stack(count, (side, side), seed=3, first=first, **settings)]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learn_reference(stack(30), MODEL, normalise, seed=0)


def features(image_HW: np.ndarray) -> np.ndarray:
    return describe(image_HW, MODEL.segment(image_HW), MODEL, seed=0)


def share_outside(reference: Reference, images: list[np.ndarray], alpha: float = 0.05) -> float:
    threshold = reference.threshold(alpha)
    return float(np.mean([reference.score(features(image_HW)) > threshold for image_HW in images]))


def random_domain(count: int, seed: int, shift: float = 0.0) -> list[np.ndarray]:
    """Micrographs of four crops that are alike, as those of one are."""
    rng = np.random.default_rng(seed)
    own_MF = rng.standard_normal((count, len(FEATURES))) + shift
    return [own_F + 0.3 * rng.standard_normal((4, len(FEATURES))) for own_F in own_MF]


def test_new_micrographs_of_the_stack_are_hardly_ever_outside(reference: Reference) -> None:
    assert share_outside(reference, stack(40, first=500)) <= 0.15


@pytest.mark.parametrize("how", ["exchanged", "noisy", "blurred"])
def test_micrographs_taken_otherwise_are_outside_and_most_are_called_by_what_was_done(
    reference: Reference, how: str
) -> None:
    images = stack(8, first=900, **{"noisy": {"dose": 10.0}, "blurred": {"blur": 5.0}}.get(how, {}))
    images = [1 - image_HW for image_HW in images] if how == "exchanged" else images
    assert share_outside(reference, images, alpha=0.1) >= 0.6
    first = [reference.explain(features(image_HW))[0] for image_HW in images]
    assert sum(how in text for text in first) >= 4, first


def test_another_magnification_is_outside(reference: Reference) -> None:
    assert share_outside(reference, stack(8, first=900, diameter=40.0), alpha=0.1) >= 0.6


def test_another_way_of_imaging_is_outside(reference: Reference) -> None:
    assert share_outside(reference, stack(8, first=900, modality="bf-tem")) == 1


@pytest.mark.parametrize("count", [40, 200])
def test_false_alarms_are_as_rare_as_promised(count: int) -> None:
    alpha, shares = 0.1, []
    for seed in range(4):
        reference = Reference.fit(random_domain(count, seed))
        threshold = reference.threshold(alpha)
        shares.append(np.mean([reference.score(f) > threshold for f in random_domain(300, 100 + seed)]))
    assert np.mean(shares) <= alpha + 0.03, shares


def test_half_of_many_micrographs_say_nothing_of_where_the_domain_lies() -> None:
    """Held-back scores of micrographs that the fit knew would be too low."""
    many = random_domain(200, 0)
    moved = [own_CF + 50 * (index % 2) for index, own_CF in enumerate(many)]
    np.testing.assert_array_equal(Reference.fit(moved).shape.centre_F, Reference.fit(many).shape.centre_F)
    assert Reference.fit(moved).held_back_M.min() > Reference.fit(many).held_back_M.max()


def test_an_alpha_that_too_few_micrographs_cannot_promise_is_refused_with_the_smallest_that_they_can() -> None:
    reference = Reference.fit(random_domain(20, 0))
    assert reference.threshold(reference.smallest_alpha) == reference.held_back_M[-1]
    with pytest.raises(DataError, match=r"alpha: .* 0\.01 needs 99 held-back micrographs, this model has 20.*0\.048"):
        reference.threshold(0.01)
    with pytest.raises(DataError, match="between 0 and 1"):
        reference.threshold(0)


def test_where_micrographs_are_few_a_single_odd_one_does_not_decide() -> None:
    domain = random_domain(20, 0)
    domain[7] = domain[7] + 9
    odd, plain = Reference.fit(domain), Reference.fit(random_domain(20, 0))
    assert odd.supported_alpha(0.05) == pytest.approx(2 / 21)
    assert odd.threshold(odd.supported_alpha(0.05)) == odd.held_back_M[-2]
    assert odd.threshold(odd.supported_alpha(0.05)) < 3 * plain.threshold(plain.supported_alpha(0.05))
    assert Reference.fit(random_domain(60, 0)).supported_alpha(0.05) == 0.05


def test_a_p_value_says_the_same_as_a_threshold() -> None:
    reference = Reference.fit(random_domain(60, 0))
    for alpha in (0.05, 0.1, 0.3):
        for score in (*reference.held_back_M, 99.0):
            assert (score > reference.threshold(alpha)) == (reference.p_value(score) <= alpha + 1e-12)


def test_two_micrographs_are_no_domain() -> None:
    with pytest.raises(DataError, match="needs 3 micrographs"):
        Reference.fit(random_domain(2, 0))


def test_a_stored_reference_scores_to_the_last_bit_as_before(reference: Reference, tmp_path: Path) -> None:
    path = reference.save(tmp_path)
    again = Reference.load(tmp_path)
    assert again is not None
    told = features(stack(1, first=700)[0])
    assert path.name == FILE
    assert again.score(told) == reference.score(told)
    assert again.threshold(0.05) == reference.threshold(0.05)
    assert again.explain(told) == reference.explain(told)


def test_a_model_without_a_reference_has_none_and_a_damaged_one_is_named(reference: Reference, tmp_path: Path) -> None:
    assert Reference.load(tmp_path) is None
    kept = reference.to_dict()
    for damage in ({"features": ["x"]}, {"centre": [1.0]}, {"held_back": None}):
        (tmp_path / FILE).write_text(json.dumps({**kept, **damage}))
        with pytest.raises(ModelError, match=FILE):
            Reference.load(tmp_path)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(ModelError, match="Delete it to go without"):
        Reference.load(tmp_path)


def test_a_reference_of_another_version_is_left_aside_with_a_word(reference: Reference, tmp_path: Path) -> None:
    """Its model is as good as ever."""
    (tmp_path / FILE).write_text(json.dumps({**reference.to_dict(), "format": 1}))
    with pytest.warns(UserWarning, match="another version of emgen"):
        assert Reference.load(tmp_path) is None


def test_micrographs_of_a_known_way_may_be_real_ones(reference: Reference) -> None:
    """What bright field makes of the specimen is no negative of the dark-field image; it may be had in itself."""
    asked: list[int] = []

    def bright_field(index: int) -> np.ndarray:
        asked.append(index)
        return stack(1, first=index, modality="bf-tem")[0]

    told = learn_reference(stack(30), MODEL, normalise, seed=0, altered=8, instead={"inverted": bright_field})
    assert len(asked) == 8 == len(set(asked))
    assert sorted(told.shape.steps) == sorted(reference.shape.steps)
    assert not np.allclose(told.shape.steps["inverted"], reference.shape.steps["inverted"], atol=0.1)


def test_three_features_that_stand_out_are_told_in_words_and_say_three_things(reference: Reference) -> None:
    (image_HW,) = stack(1, first=800)
    texts = reference.explain(features(np.clip(image_HW * 0.3, 0, 1)))
    assert len(texts) == len(set(texts)) == 3
    assert any("darker" in text or "narrower" in text for text in texts), texts


def test_features_have_names_and_floors() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(feature.floor > 0 for feature in FEATURES)


@pytest.mark.parametrize("name", ["pretrained", "pretrained-large"])
def test_the_shipped_models_know_their_domain(name: str) -> None:
    model = load_model(name, device="cpu")
    assert model.domain is not None
    assert model.domain.smallest_alpha < 0.01
    assert model.domain.threshold(0.05) < model.domain.threshold(0.01)


def test_of_a_long_stack_micrographs_evenly_over_it_are_looked_at() -> None:
    stack = SimpleNamespace(images=[SimpleNamespace(image_HW=np.full((2, 2), index)) for index in range(1001)])
    images = Pixels(stack, spread(1001))
    shown = [int(image_HW[0, 0]) for image_HW in images]
    assert (len(images), shown[0], shown[-1]) == (MOST, 0, 1000)
    assert set(np.diff(shown)) == {5, 6}
    assert [int(image_HW[0, 0]) for image_HW in images[-2:]] == shown[-2:]
    assert [int(image_HW[0, 0]) for image_HW in Pixels(stack)] == list(range(1001))
