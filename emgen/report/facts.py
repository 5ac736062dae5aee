"""What the run says of itself: its data as in the paper's Table S1, its settings, its provenance, its times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emgen.report.run import Missing, RunFolder, Step
from emgen.report.scores import headline
from emgen.report.text import counted, duration, number, setting, span

Row = tuple[str, ...]
SUBSETS = {
    "subset1": "Subset 1: rough masks, morphology GAN",
    "subset2": "Subset 2: contrast GAN",
    "held_out": "Held out: paired scores only",
}
TITLES = {
    "micrographs": "Micrographs",
    "examination": "Data doctor",
    "rough_segmenter": "Rough segmenter",
    "split": "Split",
    "leaks": "Data doctor: the split",
    "mask_sampler": "Mask sampler",
    "morphology_gan": "Morphology GAN",
    "masks": "Sampled masks",
    "first_generation": "1st generation",
    "contrast_gan": "Contrast GAN",
    "second_generation": "2nd generation",
    "downstream_task": "Downstream task",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """One number at the top of the page."""

    title: str
    value: str
    remark: str = ""


def tiles(run: RunFolder) -> list[Tile]:
    """The numbers to see first; what is not known yet is left out."""
    micrographs = run.manifest.get("data", {}).get("micrographs", [])
    found = [Tile("Micrographs", str(len(micrographs)), _sizes(micrographs))] if micrographs else []
    scale = _split(run).get("scale", {})
    if counts := scale.get("counts"):
        found.append(
            Tile("Rough particles", f"{sum(counts):,}", f"median {_median(scale.get('diameters', []))} px wide")
        )
    if virtual := run.spec.get("virtual", {}).get("images"):
        found.append(Tile("Virtual images", f"{virtual:,}", "each with its exact mask"))
    if best := headline(run.scores):
        found.append(Tile(*best))
    seconds = sum(float(step.artifact.manifest.get("seconds", 0)) for step in run.steps)
    if seconds:
        found.append(Tile("Computing time", duration(seconds), str(run.manifest.get("device_name", ""))))
    return found


def data_table(run: RunFolder) -> list[Row]:
    """Subset sizes and preprocessing, as in the paper's Table S1. Raises ``Missing`` before the stack is read."""
    micrographs = run.manifest.get("data", {}).get("micrographs", [])
    if not micrographs:
        raise Missing("the micrographs have not been read yet")
    plan, data = _split(run), run.spec.get("data", {})
    scale = plan.get("scale", {})
    diameters = [value for value in scale.get("diameters", []) if value is not None]
    rows = [
        ("Modality", f"{run.manifest.get('modality', '–')}, particles {run.manifest.get('polarity', '–')}"),
        ("Micrographs", str(len(micrographs))),
        ("Size, px", _sizes(micrographs)),
        ("Depth", counted(str(each.get("native_dtype")) for each in micrographs)),
        ("Pixel size", counted(_pixel(each.get("pixel_size_nm")) for each in micrographs)),
        ("Particle diameter, px", span(diameters)),
        ("Resize factor", f"{span(scale.get('factors', []))} ({data.get('scale', '–')})"),
        ("Working scale", f"particles {number(scale.get('working_diameter'))} px wide"),
        ("Crop, px", f"{data.get('crop', '–')} × {data.get('crop', '–')}"),
        ("Split by", f"{plan.get('by', '–')}, guard band {plan.get('guard', '–')} px"),
        *((title, _subset(plan, name)) for name, title in SUBSETS.items()),
        ("Virtual images", setting(run.spec.get("virtual", {}).get("images"))),
    ]
    return [row for row in rows if row[1] not in ("–", "")]


def micrograph_table(run: RunFolder) -> list[Row]:
    """Name, size, depth, pixel size, rough particles, their diameter, resize factor, hash; a row a micrograph."""
    micrographs = run.manifest.get("data", {}).get("micrographs", [])
    scale = _split(run).get("scale", {})
    columns = [scale.get(name, []) for name in ("counts", "diameters", "factors")]
    rows = []
    for index, each in enumerate(micrographs):
        measured = (number(column[index]) if index < len(column) else "–" for column in columns)
        height, width = each.get("shape_HW", ("–", "–"))
        size = f"{width} × {height}"
        own = (str(each.get("name")), size, str(each.get("native_dtype")), _pixel(each.get("pixel_size_nm")))
        rows.append((*own, *measured, str(each.get("sha256", ""))[:12]))
    return rows


def stage_settings(run: RunFolder) -> list[tuple[str, list[Row]]]:
    """Of every step that has settings: a title with the plugin, and its settings."""
    found: list[tuple[str, list[Row]]] = []
    seen = set()
    for step in run.steps:
        config = step.recipe.get("config") or {}
        maker = step.recipe.get("maker", {})
        identity = (step.slot if step.slot != "metric" else "", str(maker.get("plugin")), str(config))
        if not config or identity in seen or step.slot in ("masks", "first_generation", "second_generation"):
            continue
        seen.add(identity)
        found.append((_made_by(step, maker), [(str(name), setting(value)) for name, value in config.items()]))
    return found


def provenance(run: RunFolder) -> list[Row]:
    environment = run.manifest.get("environment", {})
    simulated = [step.label for step in run.steps if step.entry.get("simulated")]
    return [
        ("Run again with", str(run.manifest.get("command", "–"))),
        ("Seed", setting(run.manifest.get("seed"))),
        ("Device", ", ".join(dict.fromkeys(str(run.manifest.get(key) or "–") for key in ("device", "device_name")))),
        ("Precision", str(run.manifest.get("precision", "–"))),
        ("Weights from simulated images", _simulated(simulated)),
        ("Started, last written", f"{run.manifest.get('started', '–')}, {run.manifest.get('updated', '–')}"),
        ("emgen, Python", f"{environment.get('emgen', '–')}, {environment.get('python', '–')}"),
        ("Platform", str(environment.get("platform", "–"))),
        ("Libraries", setting(environment.get("libraries"))),
    ]


def step_table(run: RunFolder) -> list[dict[str, Any]]:
    """Every step with its plugin, key, seed and time; ``share`` of the longest, for the bars."""
    seconds = [float(step.artifact.manifest.get("seconds", 0)) for step in run.steps]
    longest = max(seconds, default=0) or 1
    return [
        {
            "title": title_of(step),
            "plugin": f"{step.entry.get('plugin', '–')} ({step.entry.get('distribution')} {step.entry.get('version')})",
            "key": str(step.entry.get("key", ""))[:12],
            "seed": setting(step.entry.get("seed")),
            "seconds": duration(taken),
            "share": round(100 * taken / longest, 1),
            "cached": bool(step.entry.get("cached")),
            "simulated": bool(step.entry.get("simulated")),
        }
        for step, taken in zip(run.steps, seconds, strict=True)
    ]


def title_of(step: Step) -> str:
    """In words; of a second training in one slot both the slot and what the run calls it."""
    if step.label in TITLES:
        return TITLES[step.label]
    label = step.label.replace("_", " ")
    return f"{TITLES.get(step.slot, step.slot)}: {label}" if step.artifact.manifest.get("kind") == "model" else label


def _made_by(step: Step, maker: Mapping[str, Any]) -> str:
    name = "Metric" if step.slot == "metric" else title_of(step)
    return f"{name}: {maker.get('plugin')} ({maker.get('distribution')} {maker.get('version')})"


def _split(run: RunFolder) -> Mapping[str, Any]:
    try:
        return run.document("split", "split.json")
    except Missing:
        return {}


def _subset(plan: Mapping[str, Any], name: str) -> str:
    windows: Sequence[Any] = plan.get(name, ())
    if not plan:
        return "–"
    crops = plan.get("crops", {}).get(name, 0)
    what = "micrographs" if plan.get("by") == "micrograph" else "regions"
    return f"{len(windows)} {what}, {crops:,} crops"


def _sizes(micrographs: Sequence[Mapping[str, Any]]) -> str:
    return counted(" × ".join(str(side) for side in reversed(each.get("shape_HW", ()))) for each in micrographs)


def _pixel(size: float | None) -> str:
    return "unknown" if size is None else f"{number(float(size))} nm"


def _median(values: Sequence[float | None]) -> str:
    import numpy as np

    known = [value for value in values if value is not None]
    return number(float(np.median(known))) if known else "–"


def _simulated(labels: Sequence[str]) -> str:
    if not labels:
        return "none had a part in this run"
    return f"yes, they had a part in: {', '.join(label.replace('_', ' ') for label in labels)}"
