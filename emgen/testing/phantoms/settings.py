"""What a phantom's specimen and microscope are like, and how such settings are drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, cast

import numpy as np

from emgen.errors import did_you_mean, listing

Modality = Literal["haadf-stem", "bf-tem"]
MODALITIES: tuple[Modality, ...] = ("haadf-stem", "bf-tem")
SUPPORTS = ("spheroids", "carbon", "film", "rods", "mixed")
EXTENTS = ("full", "edge", "island")
_CHOICES = {"modality": MODALITIES, "support": SUPPORTS, "extent": EXTENTS}

Diameter = float | tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomSettings:
    """One material under one microscope. Brightness is in units of the support's mean brightness.

    Attributes
    ----------
    diameter: median equivalent diameter of the particles, px; ``spread``: standard deviation of its logarithm.
    huge: fraction of particles 2 to 4 times as big, and bright.
    faceted, irregular: fractions of polygonal and of lobed particles; the rest are round. ``elongation``: spread of
        the logarithm of the aspect ratio.
    flatness: 0 a sphere's brightness profile, 1 a disc's.
    coverage: particle area over support area. ``agglomeration``: fraction of particles that attach to another.
    contrast: brightness that a particle of median size adds (in bright field: its optical depth);
        ``contrast_spread``: standard deviation of its logarithm; ``thickness_law``: contrast ~ diameter^law.
    defocused: fraction of particles at another height, blurred.
    support, support_scale: its kind, and the size of its building blocks in particle diameters.
    support_layers, support_clumps: how many building blocks lie upon each other, and how unevenly.
    support_depth: how much of the brightness is support (0: black paper) before noise; in bright field its optical
        depth. ``extent``: the support fills the image, ends within it, or is an island. ``holey``: a carbon film with a
        round hole lies behind. ``material``: seed of what else the support's law leaves open (grain, slimness).
    blur: standard deviation of the probe, px. ``dose``: counts at the support's mean brightness. ``read_noise``.
    afterglow: correlation length of noise along scan lines, px. ``jitter``: sideways shift of lines, px;
        ``lines``: brightness jumps from line to line; ``hum``: amplitude of periodic interference.
    texture: phase-contrast grain (bright field). ``fringes``: lattice-like fringes in big particles. ``halo``:
        Fresnel ring.
    black, white, gamma: display levels: brightness of vacuum, brightness of the 99.5th percentile, exponent.
    visible_snr, visible_contrast: a particle is labelled when its mean contrast exceeds ``visible_snr`` standard errors
        of the noise over its area, and ``visible_contrast`` times the brightness around it.
    """

    modality: Modality = "haadf-stem"
    diameter: float = 14.0
    spread: float = 0.35
    huge: float = 0.0
    faceted: float = 0.3
    irregular: float = 0.3
    elongation: float = 0.12
    flatness: float = 0.3
    coverage: float = 0.06
    agglomeration: float = 0.2
    contrast: float = 0.6
    contrast_spread: float = 0.3
    thickness_law: float = 0.7
    defocused: float = 0.15
    support: str = "spheroids"
    support_scale: float = 4.0
    support_depth: float = 1.0
    support_layers: float = 2.0
    support_clumps: float = 0.8
    material: int = 0
    extent: str = "full"
    holey: bool = False
    blur: float = 0.8
    dose: float = 150.0
    read_noise: float = 0.02
    afterglow: float = 0.3
    jitter: float = 0.0
    lines: float = 0.0
    hum: float = 0.0
    texture: float = 0.0
    fringes: float = 0.0
    halo: float = 0.0
    black: float = 0.03
    white: float = 0.9
    gamma: float = 1.0
    visible_snr: float = 5.0
    visible_contrast: float = 0.06


def draw_settings(
    rng: np.random.Generator, modality: str, *, diameter: Diameter = None, largest: float = 80.0, **fixed: Any
) -> PhantomSettings:
    """Settings anywhere in the range seen in real micrographs; what is in ``fixed`` stays as given.

    diameter: median in px, a range to draw it from (log-uniform), or None for 6 to ``largest``.
    Raises ValueError for an unknown setting, modality or support, naming the known ones.
    """
    _check({"modality": modality, **fixed})
    base = _draw_bright_field(rng) if modality == "bf-tem" else _draw_dark_field(rng)
    settings = replace(base, modality=cast(Modality, modality), diameter=_draw_diameter(rng, diameter, largest))
    return replace(settings, **fixed)


def draw_stack_settings(
    rng: np.random.Generator, modality: str, *, diameter: Diameter = None, **fixed: Any
) -> PhantomSettings:
    """Settings of a typical stack of one material: hard for a threshold, fair for a network."""
    _check({"modality": modality, **fixed})
    settings = draw_settings(rng, modality, diameter=diameter or (12.0, 17.0))
    support = str(rng.choice(["spheroids", "carbon", "mixed"]))
    typical = {
        "spread": rng.uniform(0.3, 0.4),
        "huge": 0.01,
        "coverage": rng.uniform(0.06, 0.09),
        "contrast": rng.uniform(0.65, 0.85) if modality == "haadf-stem" else rng.uniform(0.35, 0.5),
        "contrast_spread": 0.3,
        "support": support,
        "support_scale": rng.uniform(2.5, 4.5),
        "support_layers": rng.uniform(2.0, 3.5),
        "support_clumps": rng.uniform(0.2, 0.5),
        "support_depth": 1.0 if modality == "haadf-stem" else rng.uniform(0.2, 0.35),
        "defocused": 0.1,
        "extent": "full",
        "holey": False,
        "blur": rng.uniform(0.7, 1.0),
        "dose": rng.uniform(90.0, 160.0),
        "gamma": 1.0,
        "hum": 0.0,
    }
    return replace(settings, **{**typical, **fixed})


def _draw_diameter(rng: np.random.Generator, diameter: Diameter, largest: float) -> float:
    if isinstance(diameter, (int, float)):
        low = high = float(diameter)
    else:
        low, high = diameter if diameter is not None else (6.0, max(largest, 6.0))
    if not 0 < low <= high:
        raise ValueError(f"diameter: {diameter!r} is not a positive size in px or a rising range of two")
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _draw_specimen(rng: np.random.Generator) -> PhantomSettings:
    """What both modalities share: particles, and how the support lies."""
    support = str(rng.choice(SUPPORTS, p=[0.3, 0.3, 0.14, 0.11, 0.15]))
    scale = {"spheroids": (2.6, 10.0), "carbon": (1.2, 6.0), "film": (8.0, 30.0), "rods": (3.0, 9.0)}
    low, high = scale.get(support, (2.0, 8.0))
    faceted = rng.uniform(0.0, 0.8)
    return PhantomSettings(
        spread=rng.uniform(0.25, 0.55),
        huge=float(rng.choice([0.0, 0.01, 0.04], p=[0.5, 0.3, 0.2])),
        faceted=faceted,
        irregular=rng.uniform(0.0, 0.6) * (1.0 - faceted),
        elongation=rng.uniform(0.04, 0.22),
        flatness=rng.uniform(0.0, 1.0),
        coverage=_log_uniform(rng, 0.008, 0.16),
        agglomeration=rng.beta(1.0, 4.0),
        contrast_spread=rng.uniform(0.15, 0.5),
        thickness_law=rng.uniform(0.3, 1.0),
        defocused=rng.uniform(0.0, 0.35),
        support=support,
        support_scale=_log_uniform(rng, low, high),
        support_layers=_log_uniform(rng, 0.8, 4.0),
        support_clumps=rng.uniform(0.3, 1.5),
        material=int(rng.integers(2**31)),
        extent=str(rng.choice(EXTENTS, p=[0.55, 0.25, 0.2])),
        blur=rng.uniform(0.4, 1.6),
    )


def _draw_dark_field(rng: np.random.Generator) -> PhantomSettings:
    return replace(
        _draw_specimen(rng),
        contrast=_log_uniform(rng, 0.25, 2.5),
        support_depth=rng.uniform(0.6, 1.0),
        holey=bool(rng.random() < 0.25),
        dose=_log_uniform(rng, 15.0, 1500.0),
        read_noise=_log_uniform(rng, 0.003, 0.06),
        afterglow=float(rng.choice([0.0, 0.4, 0.9])) * rng.uniform(0.5, 1.0),
        jitter=float(rng.choice([0.0, 0.35], p=[0.6, 0.4])) * rng.uniform(0.3, 1.0),
        lines=float(rng.choice([0.0, 0.04], p=[0.6, 0.4])) * rng.uniform(0.2, 1.0),
        hum=float(rng.choice([0.0, 0.05], p=[0.8, 0.2])) * rng.uniform(0.3, 1.0),
        fringes=float(rng.choice([0.0, 0.3], p=[0.8, 0.2])) * rng.uniform(0.3, 1.0),
        black=rng.uniform(0.0, 0.08),
        white=rng.uniform(0.65, 1.25),
        gamma=rng.uniform(0.75, 1.3),
    )


def _draw_bright_field(rng: np.random.Generator) -> PhantomSettings:
    return replace(
        _draw_specimen(rng),
        contrast=_log_uniform(rng, 0.15, 1.2),
        support_depth=_log_uniform(rng, 0.05, 0.6),
        dose=_log_uniform(rng, 60.0, 2000.0),
        read_noise=_log_uniform(rng, 0.003, 0.03),
        afterglow=0.0,
        texture=_log_uniform(rng, 0.02, 0.16),
        fringes=float(rng.choice([0.0, 0.2], p=[0.7, 0.3])),
        halo=rng.uniform(0.0, 0.5),
        black=rng.uniform(0.0, 0.1),
        white=rng.uniform(0.7, 1.0),
        gamma=rng.uniform(0.8, 1.25),
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _check(given: Mapping[str, Any]) -> None:
    known = {field.name for field in fields(PhantomSettings)}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"phantom setting {name!r} is unknown.{did_you_mean(name, known)} Known: {listing(known)}")
        if name in _CHOICES and value not in _CHOICES[name]:
            choices = _CHOICES[name]
            raise ValueError(f"{name}: {value!r} is not one of {listing(choices)}.{did_you_mean(str(value), choices)}")
