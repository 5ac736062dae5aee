"""Distance of radial power spectra: how much detail of each size, whatever it looks like."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from emgen.errors import BadImageError
from emgen.stages import MetricContext, Stack
from emgen_metrics.features import FeatureMetric
from emgen_metrics.kernels import linear
from emgen_metrics.stacks import need_images
from emgen_metrics.two_sample import compare
from emgen_metrics.units import units
from emgen_metrics.verdict import scores

_BANDS = 24
_LEAST_SIDE = 8
_ROUNDING = 1 / 255**2 / 12
"""Added to the power of every band: what rounding to 8 bits adds. Detail below it tells file formats apart."""


class RadialSpectrum:
    name = "radial power spectrum in dB (no weights)"

    def extract(self, image_NHW: Stack, device: str) -> NDArray[np.float64]:
        """(N, H, W) in [0, 1] -> (N, B), B at most 24 bands."""
        rings = _Rings(image_NHW.shape[1], image_NHW.shape[2])
        return np.stack([rings.decibels(np.asarray(image_NHW[i], np.float64)) for i in range(len(image_NHW))])


class _Rings:
    """Bands of equal ratio between one period an image and two pixels a period; empty ones are left out."""

    def __init__(self, height: int, width: int) -> None:
        side = min(height, width)
        if side < _LEAST_SIDE:
            raise BadImageError(f"power-spectrum: images of {width} x {height} px have no spectrum; 8 px is the least.")
        radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
        band = np.digitize(radius, np.geomspace(0.999 / side, 0.5, _BANDS + 1)).ravel()
        band[band > _BANDS] = 0  # the corners beyond two pixels a period
        self._band, self._count = band, np.bincount(band, minlength=_BANDS + 1)[1:]
        self._window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])

    def decibels(self, image_HW: NDArray[np.float64]) -> NDArray[np.float64]:
        """10 log10 of the mean power in each band."""
        spectrum = np.abs(np.fft.rfft2((image_HW - image_HW.mean()) * self._window)) ** 2
        power = np.bincount(self._band, spectrum.ravel() / np.square(self._window).sum(), minlength=_BANDS + 1)[1:]
        there = self._count > 0
        return np.asarray(10 * np.log10(power[there] / self._count[there] + _ROUNDING))


class PowerSpectrum(FeatureMetric):
    def __init__(self, config: object = None, context: object = None) -> None:
        super().__init__(RadialSpectrum())

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        """a generated, b real, (N, H, W) and (M, H, W) in [0, 1]: root mean square over the bands of the difference
        of the mean spectra, dB.

        Its square is MMD² with a linear kernel, estimated without bias; where that falls below 0, the score is 0.
        """
        need_images("power-spectrum", 2, generated=a, real=b)
        x_NB, y_MB = (np.asarray(self.features(stack, context), np.float64) for stack in (a, b))
        scale, centre = math.sqrt(y_MB.shape[1]), y_MB.mean(axis=0)  # a common shift changes no distance
        found = units(context.groups, len(y_MB))
        result = compare((x_NB - centre) / scale, (y_MB - centre) / scale, linear, found, context.seed)
        root = scores("spectrum_db", result, found, scale=lambda square: math.sqrt(max(square, 0.0)))
        return {**root, "features": self.extractor.name}
