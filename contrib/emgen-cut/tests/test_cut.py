"""What the loss measures, what the settings mean, and that a training does what it is for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from emgen_cut.config import CutConfig
from emgen_cut.gan import Cut
from emgen_cut.networks import Heads, Translator, patch_nce, patches_at

from emgen.errors import ModelError
from emgen.stages import Context
from emgen.testing.conformance import inputs
from emgen_torchkit.device import reproducible

SMALL: Mapping[str, Any] = {**CutConfig.presets["check"], "generator_width": 8, "locations": 64, "embedding": 16}


def unit(*shape: int) -> torch.Tensor:
    found = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(found, dim=-1)


def test_the_loss_is_the_cross_entropy_of_finding_each_patch_among_those_of_its_image() -> None:
    query_BPE, key_BPE = unit(2, 5, 8), unit(2, 5, 8).flip(1)
    expected = []
    for b in range(2):
        for p in range(5):
            alike = [math.exp(float(query_BPE[b, p] @ key_BPE[b, other]) / 0.07) for other in range(5)]
            expected.append(-math.log(alike[p] / sum(alike)))
    assert float(patch_nce(query_BPE, key_BPE, 0.07)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_patches_that_are_all_alike_cost_the_logarithm_of_their_number() -> None:
    same_BPE = torch.ones(1, 32, 4) / 2
    assert float(patch_nce(same_BPE, same_BPE, 0.07)) == pytest.approx(math.log(32), rel=1e-5)


def test_patches_that_find_themselves_cost_next_to_nothing() -> None:
    apart_BPE = torch.eye(16)[None]
    assert float(patch_nce(apart_BPE, apart_BPE, 0.07)) < 1e-4


def test_features_come_from_pixels_both_strided_convolutions_and_the_first_and_middle_block() -> None:
    """Park et al. 2020, appendix C.1: with nine blocks five layers, the last the fifth block."""
    translator = Translator(width=4, blocks=9)
    shapes = [tuple(found.shape) for found in translator.features(torch.zeros(1, 1, 16, 24))]
    assert shapes == [(1, 1, 16, 24), (1, 8, 8, 12), (1, 16, 4, 6), (1, 16, 4, 6), (1, 16, 4, 6)]
    assert translator.channels == [shape[1] for shape in shapes]


@pytest.mark.parametrize("blocks", [1, 2, 3, 6])
def test_every_layer_has_a_head_that_fits_it(blocks: int) -> None:
    with reproducible(0):
        translator = Translator(width=4, blocks=blocks)
        heads = Heads(translator.channels, 32)
        images = torch.rand(2, 1, 16, 16)
    for layer, found in enumerate(translator.features(images)):
        embedded = heads(patches_at(found, torch.tensor([0, 3, 5])), layer)
        assert embedded.shape == (2, 3, 32)
        assert torch.allclose(embedded.norm(dim=-1), torch.ones(2, 3), atol=1e-5)


def test_an_untrained_translator_changes_nothing() -> None:
    image = torch.rand(1, 1, 30, 41)
    assert torch.equal(Translator(width=4, blocks=1)(image), image)


def test_the_fast_variant_has_the_papers_values_where_none_are_given() -> None:
    fast = CutConfig(variant="fast")
    assert (fast.nce_weight, fast.identity_weight, fast.flip_equivariance) == (10.0, 0.0, True)
    assert fast.epochs + fast.decay_epochs == 200
    assert CutConfig(variant="fast", nce_weight=3.0).nce_weight == 3.0
    plain = CutConfig()
    assert (plain.nce_weight, plain.identity_weight, plain.flip_equivariance) == (1.0, 1.0, False)
    assert plain.epochs + plain.decay_epochs == 400


def test_it_takes_on_the_targets_contrast_and_leaves_particles_where_they_are() -> None:
    label_NHW = inputs.labels(8, (64, 64))
    source = inputs.images(label_NHW)
    target = (0.3 + 0.5 * inputs.images(inputs.labels(8, (64, 64), seed=1), seed=1)).astype(np.float32)
    config = CutConfig(**{**SMALL, "patch_width": 16, "patch_layers": 2, "max_steps": 80, "learning_rate": 2e-3})
    gan = Cut(config, Context(seed=1))
    gan.fit(source, target, Context(seed=1))
    made = gan.translate(source, np.random.default_rng(0))
    before, after = (abs(float(image.mean() - target.mean())) for image in (source, made))
    assert after < 0.5 * before
    alike = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(made, label_NHW > 0, strict=True)]
    assert min(alike) > 0.8


def test_a_training_can_begin_from_saved_weights(tmp_path: Path) -> None:
    first = Cut(CutConfig(**{**SMALL, "max_steps": 5, "learning_rate": 5e-3}), Context(seed=1))
    images = inputs.images(inputs.labels(3, (32, 32)))
    first.fit(images, 0.5 * images, Context(seed=1))
    first.save(tmp_path)
    still = CutConfig(**{**SMALL, "max_steps": 1, "learning_rate": 1e-12})
    again, anew = Cut(still), Cut(still)
    again.fit(images, 0.5 * images, Context(start_from=tmp_path))
    anew.fit(images, 0.5 * images, Context())
    rng = np.random.default_rng(0)
    np.testing.assert_allclose(again.translate(images, rng), first.translate(images, rng), atol=1e-5)
    assert np.abs(anew.translate(images, rng) - first.translate(images, rng)).max() > 1e-3


def test_weights_of_another_width_are_refused_in_words(tmp_path: Path) -> None:
    images = inputs.images(inputs.labels(2, (32, 32)))
    gan = Cut(CutConfig(**SMALL))
    gan.fit(images, images, Context())
    gan.save(tmp_path)
    with pytest.raises(ModelError, match="another width"):
        Cut(CutConfig(**{**SMALL, "generator_width": 16})).load(tmp_path)
    with pytest.raises(ModelError, match="no usable cut weights"):
        Cut(CutConfig(**SMALL)).load(tmp_path / "nowhere")


def test_it_translates_nothing_before_it_was_trained() -> None:
    with pytest.raises(ModelError, match="neither trained nor loaded"):
        Cut(CutConfig(**SMALL)).translate(np.zeros((1, 32, 32), np.float32), np.random.default_rng(0))
