"""Projected thickness of the support, about 1 on average where there is support and 0 in vacuum."""

from __future__ import annotations

import numpy as np

from emgen.testing.phantoms.fields import FloatArray, Shape, add_stamp, blurred, grid, power_noise, smooth_step
from emgen.testing.phantoms.settings import PhantomSettings


def support_thickness(shape_HW: Shape, settings: PhantomSettings, rng: np.random.Generator) -> FloatArray:
    """(H, W) float32 thickness of the support that the settings name."""
    law = np.random.default_rng(settings.material)
    depth = _depth(shape_HW, settings, rng)
    size = settings.diameter * settings.support_scale
    kind = settings.support
    if kind == "film":
        return _film(shape_HW, size, law, rng) * smooth_step(0.5 + depth)
    if kind == "carbon":
        return _carbon(shape_HW, size, depth, law, rng)
    if kind == "rods":
        return _scatter(shape_HW, _rod_stamps(size, law, rng), depth, settings, rng)
    blocks = _scatter(shape_HW, _spheroid_stamps(size, law, rng), depth, settings, rng)
    if kind == "spheroids":
        return blocks
    if law.random() < 0.3:
        blocks = 0.7 * blocks + 0.3 * _scatter(shape_HW, _rod_stamps(size, law, rng), depth, settings, rng)
    return np.asarray(0.5 * blocks + 0.5 * _carbon(shape_HW, size, depth, law, rng))


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


def _depth(shape_HW: Shape, settings: PhantomSettings, rng: np.random.Generator) -> FloatArray:
    """(H, W) distance inside the support's ragged edge, in units of the edge's softness; negative in vacuum."""
    if settings.extent == "full":
        return np.full(shape_HW, 9.0, np.float32)
    short = min(shape_HW)
    y = np.arange(shape_HW[0], dtype=np.float32)[:, None] - shape_HW[0] * rng.uniform(0.3, 0.7)
    x = np.arange(shape_HW[1], dtype=np.float32)[None, :] - shape_HW[1] * rng.uniform(0.3, 0.7)
    if settings.extent == "edge":
        angle = rng.uniform(0, 2 * np.pi)
        inside = np.cos(angle) * y + np.sin(angle) * x + 0.12 * short
    else:
        inside = rng.uniform(0.28, 0.45) * short - np.hypot(y * rng.uniform(0.7, 1.3), x)
    ragged = power_noise(shape_HW, rng, longest=short * rng.uniform(0.2, 0.7), shortest=settings.diameter, exponent=3.6)
    softness = settings.diameter * np.exp(rng.uniform(np.log(0.3), np.log(4.0)))
    return np.asarray((inside + ragged * 0.09 * short) / softness, dtype=np.float32)


def _film(shape_HW: Shape, size: float, law: np.random.Generator, rng: np.random.Generator) -> FloatArray:
    waves = power_noise(shape_HW, rng, longest=size * 2, shortest=max(size / 6, 2.0), exponent=4.0)
    thickness = 1.0 + np.float32(law.uniform(0.05, 0.35)) * waves
    return np.asarray(np.maximum(thickness, np.float32(0.15)), dtype=np.float32)


def _carbon(
    shape_HW: Shape, size: float, depth_HW: FloatArray, law: np.random.Generator, rng: np.random.Generator
) -> FloatArray:
    """Fluffy aggregates: power-law noise, thinning out towards the edge; its deep parts are cut off as holes."""
    exponent = law.uniform(2.8, 4.0)
    longest, shortest = size * law.uniform(1.5, 8.0), max(size * law.uniform(0.3, 0.8), 2.0)
    grain = power_noise(shape_HW, rng, longest=longest, shortest=shortest, exponent=exponent)
    dense = law.uniform(1.2, 3.2)
    inner = np.float32(dense) * np.clip(depth_HW / 2.0, -3.0, 1.0)
    rough = np.logaddexp(np.float32(0.0), np.float32(2.5) * (grain + inner)) / np.float32(2.5 * dense)
    return np.asarray(rough, dtype=np.float32)


def _spheroid_stamps(
    size: float, law: np.random.Generator, rng: np.random.Generator, count: int = 12
) -> list[FloatArray]:
    """Projected thickness of ``count`` spheroids with a median diameter of ``size`` px."""
    spread, softness = law.uniform(0.15, 0.4), law.uniform(0.01, 0.1) * size
    stamps = []
    for radius in np.clip(size / 2 * rng.lognormal(0.0, spread, count), 2.0, 4 * size):
        y, x = grid(2 * int(1.3 * radius + 2 * softness) + 3)
        turn, stretch = rng.uniform(0, np.pi), np.exp(rng.normal(0, 0.12))
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        inside = 1.0 - ((u * stretch) ** 2 + (v / stretch) ** 2) / radius**2
        dome = np.sqrt(np.maximum(inside, 0.0)) * (2 * radius / size)
        stamps.append(blurred(dome.astype(np.float32), softness))
    return stamps


def _rod_stamps(size: float, law: np.random.Generator, rng: np.random.Generator, count: int = 12) -> list[FloatArray]:
    """Projected thickness of ``count`` rods and platelets with a median length of ``size`` px."""
    stamps = []
    slim = law.uniform(0.15, 0.5)
    for length in np.clip(size * rng.lognormal(0.0, 0.35, count), 5.0, 6 * size):
        width = length * slim * rng.uniform(0.7, 1.3)
        y, x = grid(2 * int(0.75 * length) + 3)
        turn, bevel = rng.uniform(0, np.pi), rng.uniform(0.1, 0.9) * width / 2
        u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        inset = np.minimum(length / 2 - np.abs(u + rng.uniform(-0.4, 0.4) * v), width / 2 - np.abs(v))
        wedge = 1.0 + rng.uniform(-0.5, 0.5) * u / length
        stamps.append(np.asarray(np.clip(inset / bevel, 0, 1) * wedge * rng.uniform(0.4, 1.2), dtype=np.float32))
    return stamps


def _scatter(
    shape_HW: Shape,
    stamps: list[FloatArray],
    depth_HW: FloatArray,
    settings: PhantomSettings,
    rng: np.random.Generator,
) -> FloatArray:
    """Sum of stamps strewn in clumps over the extent, uneven by a tenth."""
    height, width = shape_HW
    margin = max(stamp.shape[0] for stamp in stamps) // 2
    volume = float(np.mean([stamp.sum() for stamp in stamps]))
    count = int(np.ceil(settings.support_layers * (height + 2 * margin) * (width + 2 * margin) / volume))
    size = settings.diameter * settings.support_scale
    clumps = power_noise(shape_HW, rng, longest=4 * size, shortest=max(size / 2, 2.0), exponent=3.0)
    centres = rng.uniform(-margin, (height + margin, width + margin), (count, 2)).astype(int)
    near = np.clip(centres, 0, np.array(shape_HW) - 1)
    wanted = np.exp(settings.support_clumps * clumps[near[:, 0], near[:, 1]]) * (depth_HW[near[:, 0], near[:, 1]] > 0)
    kept = centres[rng.random(count) < np.clip(0.6 * wanted, 0, 1)]
    thickness = np.zeros(shape_HW, np.float32)
    for (y, x), which in zip(kept.tolist(), rng.integers(len(stamps), size=len(kept)).tolist(), strict=True):
        add_stamp(thickness, stamps[which], y, x)
    uneven = power_noise(shape_HW, rng, longest=size, shortest=max(size / 6, 2.0), exponent=3.0)
    scale = np.float32(0.6 * settings.support_layers)
    return np.asarray(thickness * (np.float32(1.0) + np.float32(0.1) * uneven) / scale, dtype=np.float32)
