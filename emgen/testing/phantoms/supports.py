"""Projected thickness of the support, about 1 on average where there is support and 0 in vacuum."""

from __future__ import annotations

import numpy as np

from emgen.testing.phantoms.fields import FloatArray, Shape, add_stamp, blurred, grid, power_noise, smooth_step
from emgen.testing.phantoms.settings import PhantomSettings


def support_thickness(shape_HW: Shape, settings: PhantomSettings, rng: np.random.Generator) -> FloatArray:
    """(H, W) float32 thickness of the support that the settings name."""
    extent = _extent(shape_HW, settings, rng)
    size = settings.diameter * settings.support_scale
    kind = settings.support
    if kind == "film":
        return _film(shape_HW, size, rng) * extent
    if kind == "carbon":
        return _carbon(shape_HW, size, rng) * extent
    if kind == "rods":
        return _scatter(shape_HW, _rod_stamps(size, rng), extent, rng)
    if kind == "spheroids":
        return _scatter(shape_HW, _spheroid_stamps(size, rng), extent, rng)
    stamps = _spheroid_stamps(size, rng) + _rod_stamps(size, rng)[:4]
    return np.asarray(0.5 * _scatter(shape_HW, stamps, extent, rng) + 0.5 * _carbon(shape_HW, size, rng) * extent)


def holey_film(shape_HW: Shape, rng: np.random.Generator) -> FloatArray:
    """(H, W) a thin even film around part of a big round hole, slightly brighter at the rim."""
    long = max(shape_HW)
    radius = rng.uniform(0.8, 2.0) * long
    angle = rng.uniform(0, 2 * np.pi)
    middle = radius - rng.uniform(0.15, 0.45) * long
    y = np.arange(shape_HW[0], dtype=np.float32)[:, None] - shape_HW[0] / 2 - middle * np.sin(angle)
    x = np.arange(shape_HW[1], dtype=np.float32)[None, :] - shape_HW[1] / 2 - middle * np.cos(angle)
    depth = np.hypot(y, x) - radius
    rim = np.exp(-((depth / (0.02 * long)) ** 2))
    return np.asarray(smooth_step(depth / (0.02 * long) + 0.5) * (0.7 + 0.5 * rim), dtype=np.float32)


def _extent(shape_HW: Shape, settings: PhantomSettings, rng: np.random.Generator) -> FloatArray:
    """(H, W) in [0, 1]: where there is support, with a ragged and more or less soft edge."""
    if settings.extent == "full":
        return np.ones(shape_HW, np.float32)
    short = min(shape_HW)
    y = np.arange(shape_HW[0], dtype=np.float32)[:, None] - shape_HW[0] * rng.uniform(0.3, 0.7)
    x = np.arange(shape_HW[1], dtype=np.float32)[None, :] - shape_HW[1] * rng.uniform(0.3, 0.7)
    if settings.extent == "edge":
        angle = rng.uniform(0, 2 * np.pi)
        inside = np.cos(angle) * y + np.sin(angle) * x + 0.12 * short
    else:
        inside = rng.uniform(0.28, 0.45) * short - np.hypot(y * rng.uniform(0.7, 1.3), x)
    ragged = power_noise(
        shape_HW, rng, longest=short * rng.uniform(0.2, 0.7), shortest=0.5 * settings.diameter, exponent=3.0
    )
    softness = rng.uniform(0.15, 2.0) * settings.diameter
    return smooth_step(np.asarray(0.5 + (inside + ragged * 0.09 * short) / softness, dtype=np.float32))


def _film(shape_HW: Shape, size: float, rng: np.random.Generator) -> FloatArray:
    waves = power_noise(shape_HW, rng, longest=size * 2, shortest=max(size / 6, 2.0), exponent=4.0)
    return np.maximum(1.0 + np.float32(rng.uniform(0.05, 0.35)) * waves, np.float32(0.15))


def _carbon(shape_HW: Shape, size: float, rng: np.random.Generator) -> FloatArray:
    """Fluffy aggregates: power-law noise, its deep parts cut off so that holes appear."""
    exponent = rng.uniform(2.4, 3.4)
    grain = power_noise(shape_HW, rng, longest=size * rng.uniform(2, 8), shortest=max(size / 4, 2.0), exponent=exponent)
    dense = rng.uniform(0.8, 1.8)
    rough = np.logaddexp(0.0, 2.5 * (grain + dense)).astype(np.float32) / np.float32(2.5 * dense)
    return np.asarray(rough ** np.float32(rng.uniform(0.9, 1.3)), dtype=np.float32)


def _spheroid_stamps(size: float, rng: np.random.Generator, count: int = 12) -> list[FloatArray]:
    """Projected thickness of ``count`` spheroids with a median diameter of ``size`` px."""
    spread = rng.uniform(0.12, 0.45)
    softness = rng.uniform(0.0, 0.1) * size
    stamps = []
    for radius in np.clip(size / 2 * rng.lognormal(0.0, spread, count), 2.0, 4 * size):
        y, x = grid(2 * int(1.3 * radius + 2 * softness) + 3)
        turn, stretch = rng.uniform(0, np.pi), np.exp(rng.normal(0, 0.12))
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        inside = 1.0 - ((u * stretch) ** 2 + (v / stretch) ** 2) / radius**2
        dome = np.sqrt(np.maximum(inside, 0.0)) * (2 * radius / size)
        stamps.append(blurred(dome.astype(np.float32), softness))
    return stamps


def _rod_stamps(size: float, rng: np.random.Generator, count: int = 12) -> list[FloatArray]:
    """Projected thickness of ``count`` rods and platelets with a median length of ``size`` px."""
    stamps = []
    for length in np.clip(size * rng.lognormal(0.0, 0.35, count), 5.0, 6 * size):
        width = length * rng.uniform(0.12, 0.6)
        y, x = grid(2 * int(0.75 * length) + 3)
        turn, bevel = rng.uniform(0, np.pi), rng.uniform(0.1, 0.9) * width / 2
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        inset = np.minimum(length / 2 - np.abs(u + rng.uniform(-0.4, 0.4) * v), width / 2 - np.abs(v))
        wedge = 1.0 + rng.uniform(-0.5, 0.5) * u / length
        stamps.append(np.asarray(np.clip(inset / bevel, 0, 1) * wedge * rng.uniform(0.4, 1.2), dtype=np.float32))
    return stamps


def _scatter(shape_HW: Shape, stamps: list[FloatArray], extent_HW: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Sum of stamps strewn in clumps over the extent; one to three layers on average."""
    height, width = shape_HW
    margin = max(stamp.shape[0] for stamp in stamps) // 2
    volume = float(np.mean([stamp.sum() for stamp in stamps]))
    layers = rng.uniform(0.9, 2.4)
    count = int(np.ceil(layers * (height + 2 * margin) * (width + 2 * margin) / volume))
    clumps = power_noise(
        shape_HW, rng, longest=margin * rng.uniform(3, 8), shortest=max(margin / 2.0, 2.0), exponent=3.0
    )
    centres = rng.uniform(-margin, (height + margin, width + margin), (count, 2)).astype(int)
    near = np.clip(centres, 0, np.array(shape_HW) - 1)
    wanted = np.exp(rng.uniform(0.2, 1.2) * clumps[near[:, 0], near[:, 1]]) * (extent_HW[near[:, 0], near[:, 1]] > 0.5)
    kept = centres[rng.random(count) < np.clip(0.6 * wanted, 0, 1)]
    thickness = np.zeros(shape_HW, np.float32)
    for (y, x), which in zip(kept.tolist(), rng.integers(len(stamps), size=len(kept)).tolist(), strict=True):
        add_stamp(thickness, stamps[which], y, x)
    return thickness / np.float32(0.6 * layers)
