"""Where the described micrographs of a domain lie, and how far outside another is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from emgen.domain.covariance import Array, shrunk_covariance
from emgen.domain.features import FEATURES

CLIP = 4.0
"""Standard deviations beyond which a single feature counts no further: one that goes astray must not decide alone."""
UNKNOWN = 1e6
"""Spread of a feature that no micrograph has told anything of: it never counts."""
FOLDS = 10
RARE = 0.95
LEAST_WHOLE, LEAST_STEP = 0.2, 1.645
"""Between what is usual and what is rare there is at least what there is for normal deviations: of the logarithm of the
whole distance, and of a step along a way. The quantiles of a dozen micrographs may lie closer by chance.
"""


@dataclass(frozen=True)
class Domain:
    """What is known of M training micrographs.

    Attributes
    ----------
    features_M: features (C, F) of each. altered: of some, by number, those of the same one altered, by alteration.
    """

    features_M: Sequence[Array]
    altered: Mapping[int, Mapping[str, Array]] = field(default_factory=dict)

    @cached_property
    def mean_MF(self) -> Array:
        """(M, F) means over the crops of each."""
        return np.array([mean_of(own_CF) for own_CF in self.features_M])

    @cached_property
    def step_means(self) -> Mapping[int, Mapping[str, Array]]:
        """As ``altered``, with (F,) means over crops."""
        return {index: {name: mean_of(own) for name, own in both.items()} for index, both in self.altered.items()}

    @property
    def ways(self) -> list[str]:
        return sorted({name for both in self.altered.values() for name in both})


@dataclass(frozen=True, slots=True)
class Shape:
    """The domain as a cloud of micrographs, each the mean over its crops.

    Attributes
    ----------
    centre_F, spread_F: in the features' own units. precision_FF: of standardised features.
    steps: of each known way out, by name, the change of the standardised features.
    usual_P, rare_P: of the P = 1 + len(steps) numbers of ``distances`` the median of the domain, and what one in
        twenty of it exceeds.
    """

    centre_F: Array
    spread_F: Array
    precision_FF: Array
    steps: Mapping[str, Array]
    usual_P: Array
    rare_P: Array

    def standardised(self, mean_F: Array) -> Array:
        """(F,) or (M, F) means over crops -> how many standard deviations from the centre, -CLIP ... CLIP; 0 for what
        a micrograph tells nothing of.
        """
        deviation_F = (mean_F - self.centre_F) / self.spread_F
        return np.clip(np.nan_to_num(deviation_F, nan=0.0, posinf=CLIP, neginf=-CLIP), -CLIP, CLIP)

    def distances(self, deviation_F: Array) -> Array:
        """(P,): the logarithm of the Mahalanobis distance, and how far along each way.

        The latter is Fisher's linear discriminant, of unit variance in the domain: what sees a given step best.
        """
        weighted_F = self.precision_FF @ deviation_F
        whole = np.log(np.sqrt(deviation_F @ weighted_F / len(deviation_F)) + 0.1)
        sizes = [np.sqrt(step_F @ self.precision_FF @ step_F) + 1e-6 for step_F in self.steps.values()]
        along = [step_F @ weighted_F / size for step_F, size in zip(self.steps.values(), sizes, strict=True)]
        return np.array([whole, *along])

    def parts(self, features_CF: Array) -> Array:
        """(P,) distances in units of the domain: 0 is the middle of it, one in twenty is beyond 1."""
        raw_P = self.distances(self.standardised(mean_of(features_CF)))
        parts_P: Array = (raw_P - self.usual_P) / (self.rare_P - self.usual_P)
        return parts_P

    def score(self, features_CF: Array) -> float:
        """The largest of ``parts``."""
        return float(self.parts(features_CF).max())


def mean_of(features_CF: Array) -> Array:
    """(F,) means over the crops that tell something; NaN where none does."""
    told_CF = np.isfinite(features_CF)
    count_F = told_CF.sum(axis=0)
    total_F = np.where(told_CF, features_CF, 0.0).sum(axis=0)
    return np.where(count_F > 0, total_F / np.maximum(count_F, 1), np.nan)


def fit_shape(domain: Domain, members: Sequence[int] | None = None) -> Shape:
    """From the micrographs numbered ``members``, by default all.

    What distance is usual is measured on micrographs that the fit did not know, by ``FOLDS`` parts.
    """
    members = range(len(domain.features_M)) if members is None else members
    distances = []
    for fold in range(min(FOLDS, len(members))):
        held = members[fold::FOLDS]
        part = _cloud(domain, [index for index in members if index not in held])
        distances += [part.distances(part.standardised(domain.mean_MF[index])) for index in held]
    usual_P, rare_P = np.quantile(np.array(distances), (0.5, RARE), axis=0)
    least_P = np.array([LEAST_WHOLE, *(LEAST_STEP for _ in domain.ways)])
    return replace(_cloud(domain, members), usual_P=usual_P, rare_P=np.maximum(rare_P, usual_P + least_P))


def _cloud(domain: Domain, members: Sequence[int]) -> Shape:
    mean_MF = domain.mean_MF[list(members)]
    known_F = np.isfinite(mean_MF).any(axis=0)
    low_F, centre_F, high_F = np.nanquantile(np.where(known_F, mean_MF, 0.0), (0.16, 0.5, 0.84), axis=0)
    floor_F = np.array([feature.floor for feature in FEATURES])
    spread_F = np.where(known_F, np.maximum((high_F - low_F) / 2, floor_F), UNKNOWN)
    none = np.zeros(1 + len(domain.ways))
    shape = Shape(centre_F, spread_F, np.eye(len(FEATURES)), {}, none, none + 1)
    precision_FF = np.asarray(np.linalg.inv(shrunk_covariance(shape.standardised(mean_MF))), float)
    steps = {name: _step(shape, domain, name, members) for name in domain.ways}
    return replace(shape, precision_FF=precision_FF, steps=steps)


def _step(shape: Shape, domain: Domain, name: str, members: Sequence[int]) -> Array:
    """(F,) what the alteration changes, on the average."""
    chosen = [index for index in members if index in domain.altered]
    steps = [
        shape.standardised(domain.step_means[index][name]) - shape.standardised(domain.mean_MF[index])
        for index in chosen
    ]
    return np.mean(steps, axis=0) if steps else np.zeros(len(FEATURES))
