"""How near are generated images to real ones? Two folders, as sets or as pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emgen.data.stack import modality_normalise
from emgen.engine.device import pick_device
from emgen.engine.features import FeatureMemo
from emgen.errors import BadImageError, PreflightError, SpecError, listing
from emgen.host import Host, load_host
from emgen.scores.images import Images, SameSize, common_shape
from emgen.scores.metrics import Chosen, Result, choose, installed
from emgen.stages import MetricContext, Need

NEEDS: tuple[Need, ...] = ("generated-vs-real", "paired")


@dataclass(frozen=True, slots=True)
class FolderScores:
    """Scores by metric and name, what they rest on, and what the reader should know."""

    scores: dict[str, Result]
    n_generated: int
    n_real: int
    shape_HW: tuple[int, int]
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        counts = {"n_generated": self.n_generated, "n_real": self.n_real}
        return {"scores": self.scores, **counts, "shape_HW": list(self.shape_HW), "notes": self.notes}


def score_folders(
    generated: Path,
    real: Path,
    metrics: Sequence[str] = (),
    *,
    settings: Sequence[str] = (),
    modality: str | None = None,
    group_by: str | None = None,
    resize: bool = False,
    device: str = "auto",
    host: Host | None = None,
) -> FolderScores:
    """Compares two folders (or files, or globs) of images.

    Parameters
    ----------
    metrics: names; by default those that compare sets and need no download.
    settings: of metrics, ``fid.weights=/path``.
    modality: normalise the images as a run of it does; ``None`` takes the values as they are stored.
    group_by: a regular expression; real images whose names agree in what it matches come from one micrograph, so that
        intervals and verdicts go by micrograph. ``None``: each image counts as one of its own.
    resize: reduce larger images to the common size; else their centre is cut out, which keeps the scale.

    Raises ``NoImagesError``, ``BadImageError``, ``PreflightError``, ``SpecError``.
    """
    host, device = host or load_host(), pick_device(device)
    notes: list[str] = []
    chosen = _chosen(host, metrics, settings, device, notes)
    normalise = modality_normalise(host, modality) if modality else None
    sides = Images(Path(generated), host, normalise), Images(Path(real), host, normalise)
    shape_HW = common_shape([shape for side in sides for shape in side.shapes_HW], resize=resize)
    if any(shape != shape_HW for side in sides for shape in side.shapes_HW):
        how = "reduced and cut" if resize else "cut in the centre"
        notes.append(f"images of several sizes: {how} to {shape_HW[1]} x {shape_HW[0]} px")
    stacks = [SameSize(side, range(len(side)), shape_HW, resize=resize) for side in sides]
    if any(metric.plugin.needs == "paired" for metric in chosen):
        stacks_paired = _pairs(*sides, shape_HW, resize)
    groups = None if group_by is None else grouped(sides[1].names, group_by)
    memo = FeatureMemo(device)
    scores: dict[str, Result] = {}
    for metric in chosen:
        paired = metric.plugin.needs == "paired"
        a, b = stacks_paired if paired else stacks
        made = metric.make(device)
        context = MetricContext(device=device, features=memo.of(made), groups=None if paired else groups)
        scores[metric.plugin.name] = dict(made.compute(a, b, context))
    return FolderScores(scores, len(sides[0]), len(sides[1]), shape_HW, notes)


def grouped(names: Sequence[str], pattern: str) -> list[int]:
    """A number for each name, equal where what ``pattern`` finds first is equal. Raises ``SpecError``.

    >>> grouped(["a_1", "a_2", "b_1"], "^[^_]+")
    [0, 0, 1]
    """
    try:
        found = [re.search(pattern, name) for name in names]
    except re.error as error:
        raise SpecError(f"--group-by {pattern}: no regular expression ({error}).") from error
    without = [name for name, match in zip(names, found, strict=True) if match is None]
    if without:
        raise SpecError(f"--group-by {pattern}: matches nothing in {listing(without[:5])}.")
    keys = [match.group() for match in found if match is not None]
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return [order[key] for key in keys]


def _chosen(host: Host, names: Sequence[str], settings: Sequence[str], device: str, notes: list[str]) -> list[Chosen]:
    """A metric that was named must work; of the default ones those that can are taken, and the others noted."""
    way_out = "masks are compared by `emgen evaluate`."
    wanted = choose(host, names or _default(host), settings, NEEDS, way_out)
    ready = []
    for metric in wanted:
        try:
            metric.preflight(device)
        except PreflightError as error:
            if names:
                raise
            notes.append(f"left out: {metric.plugin.name}: {error}")
            continue
        ready.append(metric)
    if not ready:
        raise SpecError(f"no metric can be computed. Installed: {listing(installed(host, *NEEDS))}. {' '.join(notes)}")
    return ready


def _default(host: Host) -> list[str]:
    sets = installed(host, "generated-vs-real")
    return [name for name in sets if getattr(host.find("metric", name).plugin, "downloads", None) is None]


def _pairs(generated: Images, real: Images, shape_HW: tuple[int, int], resize: bool) -> list[SameSize]:
    """By equal names. Raises ``BadImageError`` naming images that have no partner."""
    alone = sorted(set(generated.names) ^ set(real.names))
    if alone:
        raise BadImageError(
            f"paired metrics compare images of equal names, but {', '.join(alone[:5])}"
            f"{f' and {len(alone) - 5} more' if len(alone) > 5 else ''} stand on one side only. "
            "Rename them, or leave the paired metrics out."
        )
    order = [real.names.index(name) for name in generated.names]
    return [
        SameSize(generated, range(len(generated)), shape_HW, resize=resize),
        SameSize(real, order, shape_HW, resize=resize),
    ]
