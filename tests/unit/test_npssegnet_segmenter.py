"""The rough segmenter `npssegnet`: a model folder as the user or the package brings it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emgen.errors import PreflightError
from emgen.model import INFO, save_model
from emgen.stages import Context, Polarity
from emgen_segmenters.config import NPsSegNetSegmenterConfig
from emgen_segmenters.npssegnet import NPsSegNetSegmenter, check

TINY = {"encoder": "tu-mobilenetv3_small_050", "decoder_channels": (8, 8, 4), "max_steps": 1, "batch": 2}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Model folders of one barely trained network, once said to know bright and once dark particles."""
    from emgen_npssegnet.config import NPsSegNetConfig
    from emgen_npssegnet.task import NPsSegNet

    rng = np.random.default_rng(0)
    labels = np.zeros((3, 64, 64), np.int32)
    labels[:, 20:36, 24:40] = 1
    images = (0.2 + 0.6 * (labels > 0) + rng.normal(0, 0.02, labels.shape)).astype(np.float32)
    config = NPsSegNetConfig.model_validate(TINY)
    task = NPsSegNet(config, Context())
    task.fit(images, labels, Context())
    folders = {}
    for polarity, modality, simulated in (("bright", "haadf-stem", True), ("dark", "bf-tem", False)):
        folders[polarity] = tmp_path_factory.mktemp(polarity)
        save_model(
            folders[polarity],
            task,
            task_name="npssegnet",
            config=config.model_dump(mode="json"),
            modality=modality,
            polarity=polarity,  # type: ignore[arg-type]
            working_diameter=14.0,
            provenance={"simulated": simulated},
        )
    return folders


def segmenter(model: Path, polarity: Polarity, **settings: object) -> NPsSegNetSegmenter:
    config = NPsSegNetSegmenterConfig.model_validate({"model": str(model), "factors": (1.0,), **settings})
    return NPsSegNetSegmenter(config, Context(polarity=polarity))


def test_a_model_folder_gives_instances_of_the_size_of_the_micrographs(models: dict[str, Path]) -> None:
    image = np.random.default_rng(0).random((2, 72, 90), dtype=np.float32)
    label = segmenter(models["bright"], "bright").segment(image)
    assert label.shape == image.shape
    assert label.dtype == np.int32


def test_a_model_of_the_other_polarity_sees_the_image_inverted(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(1).random((1, 64, 64), dtype=np.float32)
    cases = [("bright", "bright", True, False), ("bright", "dark", True, True), ("dark", "bright", True, True)]
    cases += [("bright", "dark", False, False)]
    for model, polarity, flip, inverted in cases:
        rough = segmenter(models[model], polarity, polarity_flip=flip)  # type: ignore[arg-type]
        seen: list[np.ndarray] = []
        monkeypatch.setattr(rough.model, "probability", lambda x, seen=seen: seen.append(x) or np.zeros_like(x))
        rough.segment(image)
        np.testing.assert_allclose(seen[0], 1 - image[0] if inverted else image[0], atol=1e-6)


def test_it_says_whether_simulated_images_had_a_part_in_its_weights(models: dict[str, Path]) -> None:
    assert NPsSegNetSegmenterConfig(model=str(models["bright"])).uses_simulated_weights()
    assert not NPsSegNetSegmenterConfig(model=str(models["dark"])).uses_simulated_weights()


def test_preflight_accepts_a_whole_model_folder(models: dict[str, Path]) -> None:
    check(NPsSegNetSegmenterConfig(model=str(models["bright"])), "cpu")


def test_preflight_names_what_is_missing_and_the_way_out(models: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match=rf"{tmp_path}.*{INFO}.*threshold"):
        check(NPsSegNetSegmenterConfig(model=str(tmp_path)), "cpu")
    (tmp_path / INFO).write_text("{not json")
    with pytest.raises(PreflightError, match="not readable"):
        check(NPsSegNetSegmenterConfig(model=str(tmp_path)), "cpu")
    (tmp_path / INFO).write_text(json.dumps(json.loads((models["bright"] / INFO).read_text())))
    with pytest.raises(PreflightError, match="no weights"):
        check(NPsSegNetSegmenterConfig(model=str(tmp_path)), "cpu")
