"""Every plugin that comes with emgen passes the checks that any other must pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import microscope_files
import pytest

from emgen.host import KINDS, load_host
from emgen.registration import Kind
from emgen.testing import (
    ContrastGanConformance,
    DownstreamTaskConformance,
    MaskSamplerConformance,
    MetricConformance,
    ModalityConformance,
    MorphologyGanConformance,
    ReaderConformance,
    RoughSegmenterConformance,
)
from emgen.testing.conformance.base import Conformance
from emgen_segmenters.config import SelfTaughtConfig

SMALL_ENCODER = "tu-mobilenetv3_small_100"


class TestHaadfStem(ModalityConformance):
    plugin = "haadf-stem"


class TestBfTem(ModalityConformance):
    plugin = "bf-tem"


class TestTiff(ReaderConformance):
    plugin = "tiff"


class TestPngJpeg(ReaderConformance):
    plugin = "png-jpeg"


class TestMrc(ReaderConformance):
    plugin = "mrc"


class TestDm(ReaderConformance):
    plugin = "dm"

    def write(self, path: Path, image_HW: Any) -> None:
        microscope_files.write_dm(path, microscope_files.dm_image(image_HW))

    write_series = write


class TestSer(ReaderConformance):
    plugin = "ser"

    def write(self, path: Path, image_HW: Any) -> None:
        microscope_files.write_ser(path, [image_HW])

    def write_series(self, path: Path, image_NHW: Any) -> None:
        microscope_files.write_ser(path, list(image_NHW))


class TestEmd(ReaderConformance):
    plugin = "emd"

    def write(self, path: Path, image_HW: Any) -> None:
        microscope_files.write_velox(path, image_HW[None])

    def write_series(self, path: Path, image_NHW: Any) -> None:
        microscope_files.write_velox(path, image_NHW)


class TestZarr(ReaderConformance):
    plugin = "zarr"

    def write(self, path: Path, image_HW: Any) -> None:
        microscope_files.write_zarr(path, image_HW)

    write_series = write


class TestThreshold(RoughSegmenterConformance):
    plugin = "threshold"


class TestSelfTaught(RoughSegmenterConformance):
    plugin = "self-taught"
    settings: ClassVar[Mapping[str, Any]] = {**SelfTaughtConfig.presets["check"], "sure": 0.5}


class TestNPsSegNetAsRoughSegmenter(RoughSegmenterConformance):
    plugin = "npssegnet"


class TestSam(RoughSegmenterConformance):
    """With a tiny model of random weights, and filters that let pass what it proposes."""

    plugin = "sam"
    settings: ClassVar[Mapping[str, Any]] = {
        "points_per_side": 3,
        "tile": 64,
        "min_score": 0.0,
        "min_stability": 0.0,
        "max_area_fraction": 1.0,
        "min_contrast": 0.0,
        "min_area": 1,
    }

    @pytest.fixture(autouse=True)
    def tiny_model(self, tiny_sam: Path) -> None:
        type(self).settings = {**self.settings, "model": str(tiny_sam)}


class TestRandomParticles(MaskSamplerConformance):
    plugin = "random-particles"


class TestFittedParticles(MaskSamplerConformance):
    plugin = "fitted-particles"


class TestShapeBank(MaskSamplerConformance):
    plugin = "shape-bank"


class TestPix2Pix(MorphologyGanConformance):
    plugin = "pix2pix"
    settings: ClassVar[Mapping[str, Any]] = {
        "encoder": SMALL_ENCODER,
        "decoder_channels": (8, 8, 8, 8),
        "discriminator": "patch",
        "patch_width": 4,
        "patch_layers": 1,
        "max_steps": 3,
        "batch": 2,
    }


class TestCycleGan(ContrastGanConformance):
    plugin = "cyclegan"
    settings: ClassVar[Mapping[str, Any]] = {
        "generator_width": 4,
        "generator_blocks": 1,
        "patch_width": 4,
        "patch_layers": 1,
        "max_steps": 3,
        "batch": 1,
    }


class TestIdentity(ContrastGanConformance):
    plugin = "identity"


class TestNPsSegNet(DownstreamTaskConformance):
    plugin = "npssegnet"
    settings: ClassVar[Mapping[str, Any]] = {
        "encoder": SMALL_ENCODER,
        "decoder_channels": (8, 8, 8, 8, 8),
        "max_steps": 3,
        "batch": 2,
    }


class InceptionConformance(MetricConformance):
    """Computed on the kit's features, so that no weights are fetched: the network itself has tests of its own."""

    def make(self, context: Any = None) -> Any:
        return self.registered().create(self.config(), context)


class TestFid(InceptionConformance):
    plugin = "fid"


class TestInceptionScore(InceptionConformance):
    plugin = "inception-score"


class TestFidEncoder(MetricConformance):
    plugin = "fid-encoder"


class TestMmd(MetricConformance):
    plugin = "mmd"


class TestKid(MetricConformance):
    plugin = "kid"


class TestPowerSpectrum(MetricConformance):
    plugin = "power-spectrum"


class TestPrecisionRecall(MetricConformance):
    plugin = "precision-recall"


class TestSsim(MetricConformance):
    plugin = "ssim"


class TestPsnr(MetricConformance):
    plugin = "psnr"


class TestPixelAccuracy(MetricConformance):
    plugin = "pixel-accuracy"


class TestMiou(MetricConformance):
    plugin = "miou"


class TestDice(MetricConformance):
    plugin = "dice"


class TestObjectF1(MetricConformance):
    plugin = "object-f1"


CHECKED = {
    (value.kind, value.plugin)
    for value in globals().values()
    if isinstance(value, type) and issubclass(value, Conformance) and "plugin" in vars(value)
}
INSTALLED: list[tuple[Kind, str]] = [
    (kind, name) for kind in KINDS for name, item in load_host().plugins(kind).items() if item.distribution == "emgen"
]


@pytest.mark.parametrize(("kind", "name"), INSTALLED)
def test_every_default_plugin_has_its_conformance_class(kind: Kind, name: str) -> None:
    assert (kind, name) in CHECKED, f"add a conformance class for {kind}/{name} to this file"


def test_every_conformance_class_here_checks_a_plugin_that_is_installed() -> None:
    assert set(INSTALLED) >= CHECKED


def test_no_default_plugin_is_broken() -> None:
    assert [str(failure) for failure in load_host().failures if failure.distribution == "emgen"] == []
