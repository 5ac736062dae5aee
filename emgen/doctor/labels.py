"""Labels beside their micrographs: do they fit, and do those of one image agree?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emgen.data.masks import read_labels
from emgen.doctor.agreement import Counts, count_tiles, scores_of
from emgen.doctor.ceiling import Ceiling, human_ceiling
from emgen.doctor.findings import Finding
from emgen.doctor.fit import Fit, fit_of
from emgen.doctor.look import Look
from emgen.doctor.near import Overlap
from emgen.doctor.orient import NAMES, oriented
from emgen.doctor.sources import Source
from emgen.errors import DataError
from emgen.stages import LabelArray

if TYPE_CHECKING:
    from emgen.host import Host

CONTRARY, JUDGED = 0.25, 8
"""Share of particles of the other contrast from which on a label does not fit, where so many could be judged."""
CHANCE, CLEAR = 3.0, 6.0
"""Standard deviations of label and image as they lie: below, they have nothing to do with each other; clear."""
SHIFTED, GAIN = 0.3, 1.15
"""A label is shifted where it lies better, by that factor, so many diameters away."""
CONFLICT = 0.95
"""Foreground intersection over union under which labels of one and the same image conflict."""


@dataclass(slots=True)
class LabelReport:
    """What was found in labels. ``ceilings`` by score, empty where no image has two labels."""

    findings: list[Finding] = field(default_factory=list)
    pairs: dict[str, Counts] = field(default_factory=dict)
    ceilings: dict[str, Ceiling] = field(default_factory=dict)


def examine_labels(
    sources: Sequence[Source],
    looks: Sequence[Look],
    overlaps: Sequence[Overlap],
    folders: Sequence[Mapping[str, Path]],
    host: Host,
) -> LabelReport:
    """``folders``: of each folder the label file by stem.

    Each label is checked on its image, labels of one image against each other; images are read one at a time.
    """
    report = LabelReport()
    for source, look in zip(sources, looks, strict=True):
        files = [found[source.name] for found in folders if source.name in found]
        if files and look.fine:
            labels = _checked(source, look, files, host, report)
            for (path_1, first), (path_2, second) in combinations(labels.items(), 2):
                report.pairs[f"{path_1} : {path_2}"] = count_tiles(first, second)
    report.findings += _unlabelled(looks, folders)
    report.findings += _of_copies(looks, overlaps, folders, host, report)
    if report.pairs:
        report.ceilings = human_ceiling(list(report.pairs.values()))
        report.findings.append(_on_ceiling(report))
    return report


def _checked(
    source: Source, look: Look, files: Sequence[Path], host: Host, report: LabelReport
) -> dict[Path, LabelArray]:
    """The usable labels of one micrograph; what is wrong with them goes into the report."""
    image_HW = source.read().image_HW
    usable: dict[Path, LabelArray] = {}
    for path in files:
        try:
            label_HW = read_labels(path, host)
        except DataError as error:
            report.findings.append(_one(path, "label-unreadable", "error", "a label cannot be read", str(error)))
            continue
        if label_HW.shape != look.shape_HW:
            report.findings.append(_other_size(path, label_HW, look))
            continue
        usable[path] = label_HW
        if not label_HW.any():
            report.findings.append(_one(path, "label-empty", "warning", "a label without particles", "0 particles"))
        else:
            report.findings += _unfit(path, fit_of(label_HW, image_HW))
    return usable


def _other_size(path: Path, label_HW: LabelArray, look: Look) -> Finding:
    sizes = [f"{shape[1]} x {shape[0]}" for shape in (label_HW.shape, look.shape_HW)]
    measured = f"label {sizes[0]} px, micrograph {sizes[1]} px"
    return _one(path, "label-size", "error", "a label of another size than its micrograph", measured)


def _unfit(path: Path, fit: Fit) -> Iterator[Finding]:
    """The gravest reason why a label does not lie on its particles, if there is one."""
    turned, orientation = fit.turned
    shift = float(np.hypot(*fit.shift_YX))
    if turned >= CLEAR and turned > 2 * abs(fit.score):
        measured = f"fits {NAMES[orientation]}: {turned:.1f} against {abs(fit.score):.1f} sd as it lies"
        yield _one(path, "label-turned", "error", "a label that is mirrored or rotated", measured)
    elif shift >= SHIFTED * fit.diameter and fit.gain >= GAIN and abs(fit.score) * fit.gain >= CLEAR:
        y, x = fit.shift_YX
        measured = f"fits {abs(y):.0f} px {'lower' if y > 0 else 'higher'}, {abs(x):.0f} px to the "
        measured += f"{'right' if x > 0 else 'left'}, {fit.gain:.2f} times as well"
        yield _one(path, "label-shifted", "warning", "a label that is shifted against its micrograph", measured)
    elif abs(fit.score) < CHANCE:
        measured = f"{abs(fit.score):.1f} sd of the agreement at any other place"
        yield _one(path, "label-unrelated", "warning", "a label that has nothing to do with its micrograph", measured)
    elif fit.judged >= JUDGED and fit.contrary >= CONTRARY:
        measured = f"{100 * fit.contrary:.0f} % of {fit.judged} particles have the other contrast"
        yield _one(path, "label-contrast", "warning", "labelled particles both bright and dark", measured)


LIMITS = {
    "label-unreadable": (
        "every label opens",
        "certain",
        "Write it again: <stem>_labels holds instances, <stem> a mask.",
    ),
    "label-size": ("equal sizes", "certain", "Label the file that is examined, or resize the label with it."),
    "label-empty": ("1 particle", "certain", "Fine where the micrograph shows none; else label it."),
    "label-turned": ("fits best as it lies", "high", "Turn it back, or find the software's setting that turned it."),
    "label-shifted": (
        f"{SHIFTED:g} diameters",
        "medium",
        "Shift it back; see whether the micrograph was cropped since.",
    ),
    "label-unrelated": (f"{CHANCE:g} sd", "medium", "Is it the label of another micrograph? Check the names."),
    "label-contrast": (f"{100 * CONTRARY:g} %", "medium", "Look at it: wrong objects, or another micrograph's label?"),
}


def _one(path: Path, check: str, severity: str, title: str, measured: str) -> Finding:
    limit, sureness, way_out = LIMITS[check]
    return Finding(
        check=check,
        severity=severity,  # type: ignore[arg-type]
        title=title,
        names=(path.name,),
        files=(str(path),),
        measured=measured,
        limit=limit,
        sureness=sureness,  # type: ignore[arg-type]
        way_out=way_out,
    )


def _unlabelled(looks: Sequence[Look], folders: Sequence[Mapping[str, Path]]) -> Iterator[Finding]:
    without = [look for look in looks if not any(look.name in found for found in folders)]
    if without and len(without) < len(looks):
        yield Finding(
            check="unlabelled",
            severity="note",
            title="micrographs without a label",
            names=tuple(look.name for look in without),
            files=tuple(look.path for look in without),
            measured=f"{len(without)} of {len(looks)}",
            limit="a label of the same stem",
            sureness="certain",
            way_out="Nothing, if they are not meant to have one.",
        )


def _of_copies(
    looks: Sequence[Look],
    overlaps: Sequence[Overlap],
    folders: Sequence[Mapping[str, Path]],
    host: Host,
    report: LabelReport,
) -> Iterator[Finding]:
    """Labels of two files that hold the same image, in whatever orientation."""
    for copy in (overlap for overlap in overlaps if overlap.exact):
        for found in folders:
            names = looks[copy.first].name, looks[copy.second].name
            if all(name in found for name in names):
                yield from _conflict(copy, [found[name] for name in names], host, report)


def _conflict(copy: Overlap, paths: Sequence[Path], host: Host, report: LabelReport) -> Iterator[Finding]:
    try:
        first, second = (read_labels(path, host) for path in paths)
    except DataError:  # told already, with its reason
        return
    second = np.ascontiguousarray(oriented(second, copy.orientation))
    if first.shape != second.shape:
        return
    counts = count_tiles(first, second)
    report.pairs[f"{paths[0]} : {paths[1]}"] = counts
    scores = scores_of(counts.sum(axis=0))
    if scores["foreground_iou"] < CONFLICT:
        yield Finding(
            check="conflicting-labels",
            severity="warning",
            title="two labels of one and the same image that differ",
            names=tuple(path.name for path in paths),
            files=tuple(str(path) for path in paths),
            measured=f"foreground IoU {scores['foreground_iou']:.3f}, object F1 {scores['object_f1']:.3f}",
            limit=f"foreground IoU {CONFLICT:g}",
            sureness="certain",
            way_out="Keep one image with one label. How far two labels agree bounds what any score on them can mean.",
            values={name: float(value) for name, value in scores.items()},
        )


def _on_ceiling(report: LabelReport) -> Finding:
    iou, f1, size = (report.ceilings[name] for name in ("foreground_iou", "object_f1", "diameter_difference"))
    return Finding(
        check="human-ceiling",
        severity="note",
        title="how far labels of one image agree",
        names=tuple(report.pairs),
        files=tuple(path for pair in report.pairs for path in pair.split(" : ")),
        measured=f"foreground IoU {iou.agreement:.3f} ({iou.agreement_low:.3f} to {iou.agreement_high:.3f}), object F1 "
        f"{f1.agreement:.3f}, mean diameters within {100 * size.agreement:.1f} %",
        limit=f"a perfect model scores about {iou.ceiling:.3f} ({iou.ceiling_low:.3f} to {iou.ceiling_high:.3f}) and "
        f"{f1.ceiling:.3f} against one of them; no prediction can average more than {iou.bound:.3f} in IoU",
        sureness="medium",
        way_out="Read no more into a score than that. Assumed: people err independently and miss as much as they add.",
    )
