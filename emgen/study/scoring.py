"""Scores of segmentations, over all micrographs together and for each: pixels, particles, mean diameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.engine.recipe import Maker, plugin_maker
from emgen.host import Host, Registered
from emgen.particles import border_labels, equivalent_diameters
from emgen.registration import StagePlugin
from emgen.stages import LabelArray, MetricContext

METRICS = ("pixel-accuracy", "miou", "dice", "object-f1")
"""Registered metrics that give the scores named in ``MEASURES``."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A score in words. ``percent``: it is a share, or a deviation, shown in per cent."""

    title: str
    better: str
    words: str
    percent: bool = True


MEASURES: Mapping[str, Measure] = {
    "miou": Measure("MIoU", "higher", "mean of the IoU of particles and of background, all pixels together"),
    "pixel_accuracy": Measure("PA", "higher", "share of pixels classified right"),
    "dice": Measure("Dice", "higher", "overlap of predicted and true particle area"),
    "object_f1": Measure("object F1", "higher", "whole particles, found at IoU 0.5 or more"),
    "object_recall": Measure("recall", "higher", "share of true particles that were found"),
    "object_precision": Measure("precision", "higher", "share of found particles that are true"),
    "diameter_error": Measure(
        "|Δ mean diameter|", "lower", "deviation of the mean equivalent diameter from the true one, without sign"
    ),
}


@dataclass(frozen=True)
class Scorer:
    """A metric made ready, and what decides its outcome."""

    metric: Any
    maker: Maker


def scorers_of(host: Host) -> dict[str, Scorer]:
    """Those of ``METRICS`` that are installed here."""
    known = host.plugins("metric")
    return {name: _scorer(name, known[name]) for name in METRICS if name in known}


def _scorer(name: str, registered: Registered) -> Scorer:
    assert isinstance(registered.plugin, StagePlugin)
    return Scorer(registered.create(registered.plugin.config(), MetricContext()), plugin_maker(name, registered))


def score_labels(
    found: Sequence[LabelArray], truth: Sequence[LabelArray] | None, scorers: Mapping[str, Scorer], names: Sequence[str]
) -> dict[str, Any]:
    """``values`` over all micrographs, ``images`` of each; (H, W) int32 instances, sizes may differ.

    Without truth only what the segmentation itself tells: particles and their mean diameter in px.
    """
    values = _of_particles(found)
    if truth is None:
        return {
            "values": values,
            "images": {name: _of_particles([own]) for name, own in zip(names, found, strict=True)},
        }
    pairs = list(zip(found, truth, strict=True))
    each = {name: _values([pair], scorers) for name, pair in zip(names, pairs, strict=True)}
    return {"values": _values(pairs, scorers), "images": each}


def _values(pairs: Sequence[tuple[LabelArray, LabelArray]], scorers: Mapping[str, Scorer]) -> dict[str, float]:
    found, true = [own for own, _ in pairs], [own for _, own in pairs]
    a, b = _strip(found), _strip(true)
    values = _of_particles(found)
    for scorer in scorers.values():
        computed = scorer.metric.compute(a, b, MetricContext())
        values |= {name: float(value) for name, value in computed.items() if not isinstance(value, str)}
    true_values = _of_particles(true)
    values["true_particles"], mean = true_values["particles"], true_values["mean_diameter"]
    values["true_mean_diameter"] = mean
    values["diameter_bias"] = values["mean_diameter"] / mean - 1 if mean > 0 else float("nan")
    values["diameter_error"] = abs(values["diameter_bias"])
    return values


def _strip(labels: Sequence[LabelArray]) -> NDArray[np.int32]:
    """All images as one row of pixels, (1, 1, P), no instance number twice.

    None of the scores looks at where pixels lie, so images of different sizes are scored together like this.
    """
    offsets = np.cumsum([0, *(int(label_HW.max(initial=0)) for label_HW in labels[:-1])])
    moved = [np.where(own > 0, own + offset, 0).ravel() for own, offset in zip(labels, offsets, strict=True)]
    return np.concatenate(moved).astype(np.int32)[None, None]


def _of_particles(labels: Sequence[LabelArray]) -> dict[str, float]:
    """Count, and mean equivalent diameter in px of the particles that no edge cuts (of all, where every one is cut)."""
    whole = np.concatenate([_inner_diameters(own) for own in labels])
    diameters = whole if len(whole) else np.concatenate([equivalent_diameters(own) for own in labels])
    count = sum(len(equivalent_diameters(own)) for own in labels)
    return {"particles": float(count), "mean_diameter": float(diameters.mean()) if len(diameters) else float("nan")}


def _inner_diameters(label_HW: LabelArray) -> NDArray[np.float64]:
    inner = np.where(np.isin(label_HW, border_labels(label_HW)), 0, label_HW)
    return equivalent_diameters(inner.astype(np.int32))
