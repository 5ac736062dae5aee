"""A complete plugin whose stages take milliseconds and need no torch: ``fake-segmenter`` … ``fake-metric``.

The whole tandem runs on it in seconds. It is not registered by an entry point; a test registers it with
``Host.from_modules([fakes])`` or the fixture ``emgen_host``. Micrographs are ``.npy`` files. The spec
``{images: …, modality: fake-modality}`` names every fake through the modality's defaults.
"""

from __future__ import annotations

from pydantic import Field

from emgen import hookimpl
from emgen.registration import MetricPlugin, ModalityPlugin, ReaderPlugin, StageConfig, StagePlugin

_IMPLEMENTATION = "emgen.testing.fake_stages"


class SegmenterConfig(StageConfig):
    """Otsu's threshold over the whole image."""

    min_area: int = Field(default=4, ge=1, description="Smaller particles are dropped, in pixels.")


class MasksConfig(StageConfig):
    """Discs as large and as many as those measured."""


class TrainedConfig(StageConfig):
    """A fake training of so many steps, one image each."""

    steps: int = Field(default=8, ge=1, description="Steps of training; each looks at one image.")


class ContrastConfig(TrainedConfig):
    """Matches mean and standard deviation of the target images."""


class TaskConfig(TrainedConfig):
    """A logistic curve over the intensity, half way between background and particles."""

    sharpness: float = Field(default=8.0, gt=0, description="Slope of the curve, over the contrast of the particles.")


class MetricConfig(StageConfig):
    """No settings."""


@hookimpl
def emgen_modalities() -> list[ModalityPlugin]:
    defaults = {
        "rough_segmenter": "fake-segmenter",
        "mask_sampler": "fake-masks",
        "morphology_gan": "fake-morphology",
        "contrast_gan": "fake-contrast",
        "downstream_task": "fake-task",
        "metrics": ["fake-metric", "fake-iou"],
    }
    return [
        ModalityPlugin(
            name="fake-modality",
            polarity="bright",
            normalise=f"{_IMPLEMENTATION}:normalise",
            defaults=defaults,
            summary="bright particles, every stage a fake",
        )
    ]


@hookimpl
def emgen_readers() -> list[ReaderPlugin]:
    return [
        ReaderPlugin(
            name="fake-reader", suffixes=(".npy",), create=f"{_IMPLEMENTATION}:NpyReader", summary="numpy arrays"
        )
    ]


def _stage(name: str, config: type[StageConfig], implementation: str, summary: str) -> StagePlugin:
    return StagePlugin(name=name, config=config, create=f"{_IMPLEMENTATION}:{implementation}", summary=summary)


@hookimpl
def emgen_rough_segmenters() -> list[StagePlugin]:
    return [_stage("fake-segmenter", SegmenterConfig, "OtsuSegmenter", "Otsu's threshold")]


@hookimpl
def emgen_mask_samplers() -> list[StagePlugin]:
    return [_stage("fake-masks", MasksConfig, "DiscSampler", "discs of the measured size and coverage")]


@hookimpl
def emgen_morphology_gans() -> list[StagePlugin]:
    return [_stage("fake-morphology", TrainedConfig, "Painter", "labels painted bright on noise")]


@hookimpl
def emgen_contrast_gans() -> list[StagePlugin]:
    return [_stage("fake-contrast", ContrastConfig, "MomentMatcher", "gain and offset")]


@hookimpl
def emgen_downstream_tasks() -> list[StagePlugin]:
    return [_stage("fake-task", TaskConfig, "LogisticThreshold", "a learned threshold")]


@hookimpl
def emgen_metrics() -> list[MetricPlugin]:
    return [
        MetricPlugin(
            name="fake-metric",
            config=MetricConfig,
            create=f"{_IMPLEMENTATION}:MeanDistance",
            summary="distance of the mean intensities",
            needs="generated-vs-real",
            headline="mean-distance",
            better="lower",
        ),
        MetricPlugin(
            name="fake-iou",
            config=MetricConfig,
            create=f"{_IMPLEMENTATION}:MaskOverlap",
            summary="intersection over union of the masks",
            needs="prediction",
            headline="mask-iou",
            better="higher",
        ),
    ]
