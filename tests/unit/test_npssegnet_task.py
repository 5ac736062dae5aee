"""NPsSegNet learns, keeps what it learnt, and does not mind which contrast particles have."""

from __future__ import annotations

import numpy as np
import pytest

from emgen.errors import ModelError, PreflightError
from emgen.stages import Context
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_npssegnet.preflight import check
from emgen_npssegnet.task import NPsSegNet

SMALL = NPsSegNetConfig(
    encoder="tu-mobilenetv3_small_100", decoder_channels=(16, 8, 8), max_steps=60, batch=4, learning_rate=5e-3
)


@pytest.fixture(scope="module")
def discs():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    label = np.zeros((16, 64, 64), np.int32)
    for i in range(16):
        for k in range(3):
            cy, cx = rng.uniform(10, 54, 2)
            label[i][(y - cy) ** 2 + (x - cx) ** 2 <= 49] = k + 1
    image = 0.3 + 0.4 * (label > 0) + rng.normal(0, 0.05, label.shape)
    return image.clip(0, 1).astype(np.float32), label


def dice(probability, label):
    found, true = probability > 0.5, label > 0
    return 2 * (found & true).sum() / (found.sum() + true.sum())


@pytest.fixture(scope="module")
def trained(discs):
    image, label = discs
    context = Context(seed=1)
    task = NPsSegNet(SMALL, context)
    task.fit(image, label, context)
    return task


def test_it_learns_to_tell_particle_from_background(trained, discs):
    assert dice(trained.predict(discs[0]), discs[1]) > 0.85


def test_weights_of_bright_particles_serve_dark_ones(trained, discs, tmp_path, monkeypatch):
    image, label = discs
    trained.save(tmp_path)
    monkeypatch.setattr("emgen.model.model_folder", lambda ref: tmp_path)
    context = Context(seed=1, polarity="dark")
    config = SMALL.model_copy(update={"start_from": str(tmp_path), "max_steps": 1})
    dark = NPsSegNet(config, context)
    dark.fit(1 - image, label, context)
    assert dice(dark.predict(1 - image), label) > 0.8
    dark.save(tmp_path / "dark")
    again = NPsSegNet(SMALL)
    again.load(tmp_path / "dark")
    np.testing.assert_array_equal(again.predict(1 - image), dark.predict(1 - image))


def test_before_it_is_trained_it_says_what_to_do():
    with pytest.raises(ModelError, match="`fit` or `load`"):
        NPsSegNet(SMALL).predict(np.zeros((1, 32, 32), np.float32))


def test_a_folder_without_weights_is_named(tmp_path):
    with pytest.raises(ModelError, match=str(tmp_path)):
        NPsSegNet(SMALL).load(tmp_path)


def test_an_unknown_encoder_is_found_before_training_with_the_nearest_name():
    with pytest.raises(PreflightError, match="Did you mean"):
        check(NPsSegNetConfig(encoder="resnet35"), "cpu")
