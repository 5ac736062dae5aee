"""Why a micrograph is said to be outside a domain, in words."""

from __future__ import annotations

import numpy as np

from emgen.domain.altered import WORDS
from emgen.domain.covariance import Array
from emgen.domain.features import FEATURES
from emgen.domain.shape import CLIP, Shape, mean_of

MOST = 3
TOGETHER = 0.7
"""Correlation from which on two features say the same."""
ALIKE = 0.5
"""Cosine between a deviation and a known one from which on it is called by its name."""


def remarks(shape: Shape, features_CF: Array) -> tuple[str, ...]:
    """``MOST`` sentences on what stands out most in a micrograph: a known way out, and features that tell apart."""
    deviation_F = shape.standardised(mean_of(features_CF))
    alike_FF = _correlation(shape)
    chosen: list[int] = []
    for index in np.argsort(-np.abs(deviation_F), kind="stable").tolist():
        if all(abs(alike_FF[index, other]) < TOGETHER for other in chosen):
            chosen.append(index)
    known = _known_way(shape, features_CF)
    return (*known, *(_sentence(index, float(deviation_F[index])) for index in chosen))[:MOST]


def _known_way(shape: Shape, features_CF: Array) -> list[str]:
    """The way that its deviation is most like, if it lies beyond what one in twenty of the domain does along any."""
    if not shape.steps or shape.parts(features_CF)[1:].max() <= 1:
        return []
    deviation_F = shape.standardised(mean_of(features_CF))
    alike = {name: _cosine(deviation_F, step_F) for name, step_F in shape.steps.items()}
    name = max(alike, key=lambda name: alike[name])
    return [WORDS.get(name, name)] if alike[name] > ALIKE else []


def _cosine(a_F: Array, b_F: Array) -> float:
    return float(a_F @ b_F / (np.linalg.norm(a_F) * np.linalg.norm(b_F) + 1e-9))


def _sentence(index: int, deviation: float) -> str:
    feature = FEATURES[index]
    size = f"more than {CLIP:.0f}" if abs(deviation) >= CLIP else f"{abs(deviation):.1f}"
    word = feature.more if deviation > 0 else feature.less
    return f"{feature.what} {word} than in the training micrographs ({size} standard deviations)"


def _correlation(shape: Shape) -> Array:
    covariance_FF = np.linalg.inv(shape.precision_FF)
    spread_F = np.sqrt(np.diag(covariance_FF))
    correlation_FF: Array = covariance_FF / np.outer(spread_F, spread_F)
    return correlation_FF
