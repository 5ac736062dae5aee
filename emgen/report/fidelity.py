"""What the gate found: rates of every generation, and the images with most faults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emgen.artifacts import ZarrStack, open_stack
from emgen.fidelity import FAULTS
from emgen.report.pictures import Strip, marked
from emgen.report.run import Missing, RunFolder, Step
from emgen.report.text import number

PICTURES = 6
COLOURS = {
    "sound": (120, 200, 130),
    "unknown": (150, 150, 150),
    "erased": (235, 60, 50),
    "inverted": (220, 80, 230),
    "shifted": (60, 190, 255),
    "invented": (255, 220, 0),
}
TITLES = {
    "fidelity of rough masks": "Rough masks on real crops",
    "gate first_generation": "1st generation",
    "gate second_generation": "2nd generation",
}


@dataclass(frozen=True, slots=True)
class Fidelity:
    """A row of the table a check; pictures of the worst images of each generation."""

    rows: tuple[tuple[str, ...], ...]
    strips: tuple[Strip, ...]


def fidelity_part(run: RunFolder) -> Fidelity:
    """Raises ``Missing`` where nothing was checked."""
    steps = [step for step in run.steps if step.slot == "gate"]
    if not steps:
        raise Missing("no image was checked against its labels (gate.mode: off, or not yet)")
    strips = [strip for step in steps if (strip := _worst(run, step))]
    return Fidelity(tuple(_row(step) for step in steps), tuple(strips))


def _row(step: Step) -> tuple[str, ...]:
    """Title, particles, share that passes, share of each fault, images kept."""
    summary = step.artifact.read("fidelity.json")
    scores, counts = summary["scores"], summary["counts"]
    shares = (_percent(scores[name]) for name in ("pass_rate", *FAULTS))
    kept = "–" if summary["mode"] == "report" else f"{counts['kept']:,} of {counts['images']:,}"
    return (TITLES.get(step.label, step.label), f"{counts['labelled']:,}", *shares, kept)


def _percent(share: float) -> str:
    return f"{number(100 * share)} %"


def _worst(run: RunFolder, step: Step) -> Strip | None:
    """The images with the largest share of faults, before the gate; ``None`` where no image has any."""
    text = (step.artifact.folder / "fidelity.jsonl").read_text("utf-8")
    images = [json.loads(line) for line in text.splitlines()]
    shown = [image for image in sorted(images, key=lambda image: -_share(image)) if _share(image)][:PICTURES]
    if not shown:
        return None
    inputs = step.recipe["inputs"]
    stacks = _stack(run, str(inputs["images"])), _stack(run, str(inputs["labels"]))
    title = f"Most at fault: {TITLES.get(step.label, step.label)}"
    return Strip(title, "the worst, not typical ones", tuple(_picture(image, *stacks) for image in shown))


def _share(image: Mapping[str, Any]) -> float:
    faults = [verdict for verdict in image["verdicts"].values() if verdict in FAULTS]
    invented = len(image["invented"])
    return (len(faults) + invented) / max(len(image["verdicts"]) + invented, 1)


def _stack(run: RunFolder, key: str) -> ZarrStack:
    """What the step was given: a stack of another step, by key and name."""
    made_by, _, name = key.partition("/")
    for step in run.steps:
        if step.artifact.key == made_by:
            return open_stack(step.artifact.folder / name)
    raise Missing(f"the images that were checked ({key[:12]}) are gone")


def _picture(image: Mapping[str, Any], images: ZarrStack, labels: ZarrStack) -> str:
    colours = {int(label): COLOURS[verdict] for label, verdict in image["verdicts"].items()}
    rings = [(*place, COLOURS["invented"]) for place in image["invented"]]
    return marked(images[image["image"]], labels[image["image"]], colours, rings)
