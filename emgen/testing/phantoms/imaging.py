"""From a specimen to a recorded image: contrast, probe, noise, scan faults, display levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emgen.testing.phantoms.fields import FloatArray, Shape, blurred, power_noise
from emgen.testing.phantoms.settings import PhantomSettings


def dark_field(
    support_HW: FloatArray, film_HW: FloatArray | float, depth_HW: FloatArray, settings: PhantomSettings
) -> tuple[FloatArray, FloatArray]:
    """Noise-free HAADF-STEM brightness, and that of the surroundings alone: both add up what the beam passes."""
    surroundings = np.asarray(0.02 + settings.support_depth * support_HW + 0.12 * film_HW, dtype=np.float32)
    return blurred(surroundings + depth_HW, settings.blur), surroundings


def bright_field(
    support_HW: FloatArray, depth_HW: FloatArray, settings: PhantomSettings, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Noise-free BF-TEM brightness (vacuum is 1), and that of the surroundings: absorption, grain, Fresnel ring."""
    through = np.exp(-np.float32(settings.support_depth) * support_HW)
    image: NDArray[np.floating] = blurred(through * np.exp(-depth_HW), settings.blur)
    if settings.halo:
        reach = settings.blur + 0.12 * settings.diameter
        image = image + np.float32(settings.halo) * (image - blurred(np.asarray(image, np.float32), reach))
    if settings.texture:
        size = np.random.default_rng(settings.material).uniform(2.5, 6.0)
        grain = power_noise(image.shape, rng, longest=2.0 * size, shortest=0.7 * size, exponent=-1.0)
        image = image + np.float32(settings.texture) * grain * (0.25 + np.sqrt(np.minimum(support_HW, 1.5)))
    return np.asarray(image, dtype=np.float32), np.asarray(through, dtype=np.float32)


def noise_level(image_HW: FloatArray, settings: PhantomSettings) -> FloatArray:
    """(H, W) standard deviation of the noise of a pixel."""
    return np.sqrt(np.maximum(image_HW, 0) / np.float32(settings.dose) + np.float32(settings.read_noise**2))


def record(image_HW: FloatArray, settings: PhantomSettings, rng: np.random.Generator) -> FloatArray:
    """(H, W) the noisy scan of a noise-free image, in its units."""
    image = _jittered(image_HW, settings.jitter, rng) if settings.jitter else image_HW
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    if settings.afterglow:
        noise = blurred(noise, (0.3 * settings.afterglow, settings.afterglow)) * np.float32(1 + settings.afterglow)
    if settings.dose < 40:
        counts = rng.poisson(np.maximum(image, 0) * settings.dose)
        image = np.asarray(counts / settings.dose + settings.read_noise * noise, dtype=np.float32)
    else:
        image = image + noise * noise_level(image, settings)
    return image + _line_faults(image.shape, settings, rng)


def display(image_HW: FloatArray, settings: PhantomSettings) -> FloatArray:
    """(H, W) in [0, 1]: levels, gamma and 8 bits as a microscope's software exports it."""
    low = 0.0 if settings.modality == "haadf-stem" else float(image_HW.min())
    high = max(float(np.quantile(image_HW[::2, ::2], 0.995)), low + 1e-3)
    scaled = settings.black + (settings.white - settings.black) * (image_HW - low) / (high - low)
    shown = np.clip(scaled, 0.0, 1.0) ** settings.gamma
    return np.asarray(np.round(shown * 255.0) / 255.0, dtype=np.float32)


def _jittered(image_HW: FloatArray, jitter: float, rng: np.random.Generator) -> FloatArray:
    """Scan lines shifted sideways by a fraction of a pixel."""
    shift_H = np.asarray(rng.normal(0.0, jitter, image_HW.shape[0]), dtype=np.float32)[:, None]
    whole_H = np.floor(shift_H)
    columns = np.arange(image_HW.shape[1]) + whole_H.astype(np.int64)
    last = image_HW.shape[1] - 1
    left = np.take_along_axis(image_HW, np.clip(columns, 0, last), 1)
    right = np.take_along_axis(image_HW, np.clip(columns + 1, 0, last), 1)
    return np.asarray(left + (shift_H - whole_H) * (right - left), dtype=np.float32)


def _line_faults(shape_HW: Shape, settings: PhantomSettings, rng: np.random.Generator) -> FloatArray | float:
    """(H, W) brightness jumps between scan lines, and periodic interference."""
    faults: FloatArray | float = 0.0
    if settings.lines:
        faults = settings.lines * rng.standard_normal((shape_HW[0], 1), dtype=np.float32)
    if settings.hum:
        y, x = np.ogrid[: shape_HW[0], : shape_HW[1]]
        wave = 2 * np.pi / rng.uniform(4.0, 14.0)
        phase = wave * y + rng.uniform(0.0, 0.3) * x + rng.uniform(0, 2 * np.pi)
        faults = faults + np.asarray(settings.hum * np.sin(phase), dtype=np.float32)
    return faults
