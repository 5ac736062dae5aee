"""Registers the metrics."""

from __future__ import annotations

from collections.abc import Iterable

import emgen
from emgen.registration import MetricPlugin
from emgen_metrics.config import (
    FeaturesConfig,
    InceptionConfig,
    InceptionScoreConfig,
    MmdConfig,
    NeighbourConfig,
    PixelConfig,
)

_INCEPTION = "Inception weights of torch-fidelity (91 MB)"


@emgen.hookimpl
def emgen_metrics() -> Iterable[MetricPlugin]:
    return [*_distributions(), *_pairs(), *_predictions()]


def _distributions() -> Iterable[MetricPlugin]:
    return [
        MetricPlugin(
            name="fid",
            revision=2,
            config=InceptionConfig,
            create="emgen_metrics.fid:Fid",
            summary="Fréchet distance of Inception features, as torch-fidelity computes it",
            needs="generated-vs-real",
            headline="fid",
            better="lower",
            preflight="emgen_metrics.preflight:inception",
            downloads=_INCEPTION,
        ),
        MetricPlugin(
            name="inception-score",
            config=InceptionScoreConfig,
            create="emgen_metrics.inception_score:InceptionScore",
            summary="Inception score of the generated images, and of the real ones for comparison",
            needs="generated-vs-real",
            headline="inception_score",
            better="higher",
            preflight="emgen_metrics.preflight:inception",
            downloads=_INCEPTION,
        ),
        MetricPlugin(
            name="fid-encoder",
            revision=2,
            config=PixelConfig,
            create="emgen_metrics.fid_encoder:FidEncoder",
            summary="Fréchet distance of the shipped encoder's features; no download, no published FID",
            needs="generated-vs-real",
            headline="fid_encoder",
            better="lower",
            preflight="emgen_metrics.preflight:encoder",
            simulated_weights=True,
        ),
        MetricPlugin(
            name="mmd",
            revision=2,
            config=MmdConfig,
            create="emgen_metrics.mmd:Mmd",
            summary="maximum mean discrepancy of image features; by default of texture statistics without any weights",
            needs="generated-vs-real",
            headline="mmd2",
            better="lower",
            preflight="emgen_metrics.preflight:features",
            simulated_weights="config",
        ),
        MetricPlugin(
            name="kid",
            config=FeaturesConfig,
            create="emgen_metrics.kid:Kid",
            summary="kernel distance (KID), unbiased also for few images; by default of texture statistics",
            needs="generated-vs-real",
            headline="kid",
            better="lower",
            preflight="emgen_metrics.preflight:features",
            simulated_weights="config",
        ),
        MetricPlugin(
            name="power-spectrum",
            config=PixelConfig,
            create="emgen_metrics.power_spectrum:PowerSpectrum",
            summary="distance of the radial power spectra, dB",
            needs="generated-vs-real",
            headline="spectrum_db",
            better="lower",
        ),
        MetricPlugin(
            name="precision-recall",
            config=NeighbourConfig,
            create="emgen_metrics.precision_recall:PrecisionRecall",
            summary="share of generated images that look real, and of real ones that are generated; density, coverage",
            needs="generated-vs-real",
            headline="image_f1",
            better="higher",
            preflight="emgen_metrics.preflight:features",
            simulated_weights="config",
        ),
    ]


def _pairs() -> Iterable[MetricPlugin]:
    return [
        MetricPlugin(
            name="ssim",
            config=PixelConfig,
            create="emgen_metrics.ssim:Ssim",
            summary="structural similarity of image pairs",
            needs="paired",
            headline="ssim",
            better="higher",
        ),
        MetricPlugin(
            name="psnr",
            config=PixelConfig,
            create="emgen_metrics.psnr:Psnr",
            summary="peak signal-to-noise ratio of image pairs, dB",
            needs="paired",
            headline="psnr",
            better="higher",
        ),
    ]


def _predictions() -> Iterable[MetricPlugin]:
    scores = {
        "pixel-accuracy": ("pixel_accuracy:PixelAccuracy", "share of pixels that are classified right (PA)"),
        "miou": ("miou:MeanIoU", "mean of the IoU of particle and of background (MIoU)"),
        "dice": ("dice:Dice", "overlap of predicted and true particle area"),
        "object-f1": ("object_f1:ObjectF1", "F1, precision and recall of whole particles at IoU 0.5"),
    }
    return [
        MetricPlugin(
            name=name,
            config=PixelConfig,
            create=f"emgen_metrics.{create}",
            summary=summary,
            needs="prediction",
            headline=name.replace("-", "_"),
            better="higher",
        )
        for name, (create, summary) in scores.items()
    ]
