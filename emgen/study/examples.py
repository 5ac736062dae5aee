"""Pictures: what each arm found on the same unseen micrographs, beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from emgen.report.pictures import Strip, grey, outlined, spread
from emgen.report.text import number
from emgen.study.evaluation import read_array
from emgen.study.trial import Result

SHOWN = 4


def segmentations(arms: Mapping[str, Sequence[Result]]) -> list[Strip]:
    """Micrographs, their truth where it is known, and the outlines of every arm of the first seed."""
    first = {arm: own[0] for arm, own in arms.items() if own and own[0].outcome.labels and own[0].outcome.pictures}
    if not first:
        return []
    pictures = Path(str(next(iter(first.values())).outcome.pictures))
    count = sum(path.is_dir() for path in (pictures / "image").iterdir())
    chosen = spread(count, SHOWN)
    images = [read_array(pictures, "image", index) for index in chosen]
    strips = [Strip("micrographs", "", tuple(grey(image_HW) for image_HW in images))]
    if (pictures / "label").is_dir():
        truth = [read_array(pictures, "label", index) for index in chosen]
        strips.append(Strip("truth", "", tuple(outlined(*pair) for pair in zip(images, truth, strict=True))))
    for arm, result in first.items():
        labels = [read_array(str(result.outcome.labels), "label", index) for index in chosen]
        note = _note(result)
        strips.append(Strip(arm, note, tuple(outlined(*pair) for pair in zip(images, labels, strict=True))))
    return strips


def _note(result: Result) -> str:
    values = result.outcome.values
    known = [
        f"{title} {number(values[name])}" for name, title in (("miou", "MIoU"), ("object_f1", "F1")) if name in values
    ]
    return ", ".join([f"seed {result.trial.seed}", *known])
