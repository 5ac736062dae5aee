"""NPsSegNet as ONNX: every architecture, either polarity; the shipped weights; what else takes such a file."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from emgen.api import segment
from emgen.cli import main
from emgen.errors import ModelError, PreflightError
from emgen.exporting.compare import TOLERANCE, greatest_difference
from emgen.exporting.onnx_task import OnnxTask
from emgen.stages import Context
from emgen.testing.phantoms import phantom_micrographs

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SMALL = {"encoder": "tu-mobilenetv3_small_100", "decoder_channels": (16, 8, 8), "max_steps": 4, "batch": 2}
PAPER = {"encoder": "resnet34", "decoder_channels": (256, 128, 64, 32, 16), "max_steps": 12, "batch": 4}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "p.onnx"
    result = CliRunner().invoke(main, ["export", "pretrained", "--format", "onnx", "--out", str(path)])
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == 3  # the difference, the file's size, its place: nothing of torch's own
    return path


@pytest.mark.parametrize("architecture", ["unet++", "unet", "deeplabv3+"])
@pytest.mark.parametrize(
    ("settings", "polarity"),
    [(SMALL, "bright"), (SMALL, "dark"), pytest.param(PAPER, "bright", marks=pytest.mark.slow)],
    ids=["small-bright", "small-dark", "paper-bright"],
)
def test_every_architecture_gives_its_own_probabilities(architecture, settings, polarity, tmp_path, capfd) -> None:
    from emgen_npssegnet.config import NPsSegNetConfig
    from emgen_npssegnet.task import NPsSegNet

    phantoms = phantom_micrographs(8, (64, 64), seed=1, diameter=14)
    stacks = (np.stack([getattr(phantom, name) for phantom in phantoms]) for name in ("image_HW", "label_HW"))
    context = Context(seed=0, polarity=polarity)
    task = NPsSegNet(NPsSegNetConfig(architecture=architecture, **settings), context)
    task.fit(*stacks, context)
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        task.export_onnx(tmp_path / "net.onnx")
    assert capfd.readouterr() == ("", "")
    assert greatest_difference(task, OnnxTask(tmp_path / "net.onnx", "cpu"), polarity) <= TOLERANCE


def test_the_shipped_model_segments_without_torch_as_it_does_with_it(exported, tmp_path) -> None:
    """In an interpreter where torch cannot be imported, against the model folder in one where it can."""
    micrographs = tmp_path / "micrographs"
    micrographs.mkdir()
    for number, phantom in enumerate(phantom_micrographs(2, (180, 211), seed=5, diameter=14, coverage=0.12)):
        tifffile.imwrite(micrographs / f"{number}.tif", np.round(60000 * phantom.image_HW).astype(np.uint16))
    without = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchvision", "segmentation_models_pytorch", "timm", "onnx"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from emgen.cli import main
main(sys.argv[1:], standalone_mode=False)
"""
    words = ["segment", str(exported), str(micrographs), "--out", str(tmp_path / "file")]
    done = subprocess.run(
        [sys.executable, "-c", without, *words],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
    own = segment("pretrained", micrographs, tmp_path / "own", device="cpu", precision="float32")
    assert len(own.particles) > 0
    for name in ("0_labels.tif", "1_labels.tif"):
        np.testing.assert_array_equal(
            tifffile.imread(tmp_path / "file" / name), tifffile.imread(tmp_path / "own" / name)
        )


def test_a_rough_segmenter_takes_the_file_too(exported) -> None:
    from emgen_segmenters.config import NPsSegNetSegmenterConfig
    from emgen_segmenters.npssegnet import NPsSegNetSegmenter, check

    (phantom,) = phantom_micrographs(1, (128, 128), seed=4, diameter=14)
    configs = [NPsSegNetSegmenterConfig(model=model, factors=(1.0,)) for model in ("pretrained", str(exported))]
    for config in configs:
        check(config, "cpu")
        assert config.uses_simulated_weights()
    own, file = (NPsSegNetSegmenter(config, Context()).segment(phantom.image_HW[None]) for config in configs)
    assert own.max() > 0
    np.testing.assert_array_equal(own, file)


def test_a_training_does_not_start_from_the_file_and_says_so(exported) -> None:
    from emgen_npssegnet.config import NPsSegNetConfig
    from emgen_npssegnet.preflight import check
    from emgen_npssegnet.task import NPsSegNet

    config = NPsSegNetConfig(start_from=str(exported))
    with pytest.raises(PreflightError, match="cannot be trained on"):
        check(config, "cpu")
    with pytest.raises(ModelError):
        NPsSegNet(config).fit(np.zeros((2, 32, 32), np.float32), np.zeros((2, 32, 32), np.int32), Context())
