"""Prediction made fast: the same objects, whatever computes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emgen.data.tiling import predict_tiled
from emgen.host import load_host
from emgen.model import SHIPPED, Model, load_model
from emgen.particles import match_objects, split_instances
from emgen.segmenting import Settings
from emgen.segmenting.bench import Bench
from emgen.stages import Context
from emgen.testing.phantoms import phantom_stack
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_npssegnet.task import NPsSegNet
from emgen_torchkit.compact import CompactUNet


@pytest.fixture(scope="module")
def image_HW() -> np.ndarray:
    return phantom_stack(1, (256, 320), seed=8, diameter=14.0)[0].image_HW.astype(np.float32)


@pytest.mark.parametrize("name", SHIPPED)
def test_in_float32_the_probabilities_are_those_of_torch(name: str, image_HW: np.ndarray) -> None:
    model = load_model(name, device="cpu")
    plain = model.task.predict(image_HW[None])
    fast = model.accelerate("float32").task.predict(image_HW[None])
    assert np.abs(fast - plain).max() < 1e-4


def test_in_the_fastest_form_the_objects_are_the_same(image_HW: np.ndarray) -> None:
    model = load_model("pretrained", device="cpu")
    plain = split_instances(model.task.predict(image_HW[None])[0])
    fast = split_instances(model.accelerate().task.predict(image_HW[None])[0])
    assert plain.max() > 10
    assert match_objects(fast, plain).f1 >= 0.97


def test_a_training_ends_it() -> None:
    config = NPsSegNetConfig.model_validate(NPsSegNetConfig.presets["check"] | {"architecture": "compact"})
    rng = np.random.default_rng(0)
    images, labels = rng.random((4, 64, 64), np.float32), (rng.random((4, 64, 64)) > 0.8).astype(np.int32)
    task = NPsSegNet(config, Context(seed=1))
    task.fit(images, labels, Context(seed=1))
    task.accelerate("float32")
    before = task.predict(images)
    task.fit(images, labels, Context(seed=2))
    again = task.predict(images)
    assert np.abs(again - before).max() > 1e-4
    task.accelerate("float32")
    assert np.allclose(task.predict(images), again, atol=1e-4)


def test_what_segments_is_made_fast_in_the_precision_asked_for(tmp_path: Path) -> None:
    asked = []

    class Noting:
        def predict(self, image_NHW: np.ndarray) -> np.ndarray:
            return np.zeros(image_NHW.shape, np.float32)

        def accelerate(self, precision: str) -> None:
            asked.append(precision)

    info = {"modality": "haadf-stem", "polarity": "bright", "working_diameter": 14.0}
    for precision in ("auto", "float32"):
        settings = Settings(out=Path("out"), base=tmp_path, precision=precision)
        Bench(Model(Noting(), info), load_host(), settings)  # type: ignore[arg-type]
    assert asked == ["auto", "float32"]


def test_a_task_takes_tiles_as_large_as_it_says(image_HW: np.ndarray) -> None:
    seen = []

    class Small:
        largest_tile = 128

        def predict(self, image_NHW: np.ndarray) -> np.ndarray:
            seen.append(image_NHW.shape)
            return np.asarray(image_NHW)

    info = {"modality": "haadf-stem", "polarity": "bright", "working_diameter": 14.0}
    found = Model(Small(), info).probability(image_HW)  # type: ignore[arg-type]
    assert np.allclose(found, image_HW, atol=1e-6)
    assert max(max(shape) for shape in seen) <= 128


@pytest.mark.parametrize("shape", [(32, 32), (96, 64)])
def test_the_compact_network_gives_logits_of_the_size_of_its_input(shape: tuple[int, int]) -> None:
    import torch

    net = CompactUNet((24, 16, 8), in_channels=2, out_channels=3).eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 2, *shape)).shape == (2, 3, *shape)


def test_tiles_of_the_compact_network_fit_together(image_HW: np.ndarray) -> None:
    task = load_model("pretrained", device="cpu").task
    whole = task.predict(image_HW[None])[0]
    tiled = predict_tiled(task.predict, image_HW, largest=192, overlap=64)
    assert np.mean((whole > 0.5) != (tiled > 0.5)) < 2e-3
