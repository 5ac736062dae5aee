"""The card of a virtual data set: what is in it, what it was made from and how, and what it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from emgen.report.facts import title_of
from emgen.report.run import Step
from emgen.report.scores import GENERATIONS, score_table
from emgen.report.text import counted, number, setting, span
from emgen.writing.virtual import VirtualImages

MADE_BY = ("rough_segmenter", "split", "mask_sampler", "morphology_gan", "contrast_gan")
"""Slots of the steps that decide what the images look like, besides those that drew the images and judged them."""
SIZES = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""The hub's words for how many there are."""

Rows = Sequence[Mapping[str, Any]]


def card(virtual: VirtualImages, rows: Rows, licence: str) -> str:
    """Markdown with front matter, from what the run has on record and the lines of ``metadata.jsonl``."""
    import jinja2

    name = str(virtual.run.manifest.get("name") or virtual.run.folder.resolve().name)
    made = stages(virtual)
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["in_a_cell"] = _in_a_cell
    return templates.get_template("card.md.j2").render(
        front=_front_matter(len(rows), licence, name),
        name=name,
        licence=licence,
        generation=GENERATIONS[f"{virtual.which}_generation"],
        contents=_contents(virtual, rows),
        micrographs=_micrographs(virtual),
        simulated=any(stage["simulated_weights"] for stage in made),
        stages=made,
        drawn=[step.label for step in virtual.steps.values()],
        gates=_gates(virtual),
        scores=_scores(virtual),
        run=virtual.run.manifest,
    )


def stages(virtual: VirtualImages) -> list[dict[str, Any]]:
    """Of each step that had a part in the images, in the order of the run: who made it, with what, and from what."""
    mine = {step.label for step in virtual.steps.values()} | {gate.step.label for gate in _judges(virtual)}
    wanted = [slot for slot in MADE_BY if slot != "contrast_gan" or virtual.which == "second"]
    mine |= {_label(virtual, slot) for slot in wanted}
    return [_stage(step) for step in virtual.run.steps if step.label in mine]


def _label(virtual: VirtualImages, slot: str) -> str:
    found = [step.label for step in virtual.run.steps if step.label in (slot + virtual.run.suffix, slot)]
    return max(found, key=len, default=slot)


def _judges(virtual: VirtualImages) -> list[Any]:
    return [gate for gate in virtual.gates.values() if gate is not None]


def _stage(step: Step) -> dict[str, Any]:
    maker = step.recipe.get("maker", {})
    return {
        "step": step.label,
        "title": _title(step),
        "plugin": maker.get("plugin"),
        "distribution": maker.get("distribution"),
        "version": maker.get("version"),
        "key": step.artifact.key,
        "seed": step.recipe.get("seed"),
        "inputs": step.recipe.get("inputs", {}),
        "settings": _without_places(step.recipe.get("config") or {}),
        "simulated_weights": bool(step.entry.get("simulated")),
    }


def _title(step: Step) -> str:
    if step.slot != "gate":
        return title_of(step)
    return f"Gate after the {GENERATIONS['first_generation' if 'first' in step.label else 'second_generation']}"


def _without_places(value: Any) -> Any:
    """Absolute paths end in their last part: they tell of somebody's machine, and nothing of the images."""
    if isinstance(value, Mapping):
        return {key: _without_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(inner) for inner in value]
    if isinstance(value, str) and (PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()):
        return PureWindowsPath(value).name
    return value


def sources(virtual: VirtualImages) -> list[dict[str, Any]]:
    """The micrographs that the networks learnt from, by name and by the SHA-256 of their bytes; no path."""
    facts = ("name", "shape_HW", "native_dtype", "pixel_size_nm", "sha256")
    micrographs = virtual.run.manifest.get("data", {}).get("micrographs", [])
    return [{fact: each.get(fact) for fact in facts} for each in micrographs]


def _front_matter(count: int, licence: str, name: str) -> str:
    import yaml

    paths = [f"{kind}/*.tif" for kind in ("images", "masks", "labels")]
    front = {
        "license": licence,
        "pretty_name": name,
        "task_categories": ["image-segmentation"],
        "tags": ["electron-microscopy", "instance-segmentation", "synthetic", "nanoparticles"],
        "size_categories": [next((word for most, word in SIZES if count < most), "n>1M")],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "virtual", "path": [*paths, "metadata.jsonl"]}]}
        ],
    }
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)


def _contents(virtual: VirtualImages, rows: Rows) -> list[tuple[str, str]]:
    particles = [row["particles"] for row in rows]
    diameters = [row["median_diameter_px"] for row in rows if row["median_diameter_px"] is not None]
    split = {name: sum(row["split"] == name for row in rows) for name in ("train", "val")}
    return [
        ("Images", f"{len(rows):,} ({split['train']:,} train, {split['val']:,} val)"),
        ("Size, px", counted(f"{row['width']} × {row['height']}" for row in rows)),
        ("Particles", f"{sum(particles):,}; an image {span(particles)}"),
        ("Diameter, px: median of an image", span(diameters)),
        ("Covered by particles", number(float(np.mean([row["covered"] for row in rows])))),
        ("Pixel size", _pixel(virtual)),
    ]


def _pixel(virtual: VirtualImages) -> str:
    sizes = virtual.pixel_sizes_nm
    known = [size for size in sizes if size is not None]
    if virtual.pixel_size_nm is not None:
        return f"{number(virtual.pixel_size_nm)} nm at the working scale"
    if not known:
        return "unknown: the micrographs have none"
    return f"not one: micrographs at the working scale have {span(known)} nm, {len(sizes) - len(known)} have none"


def _micrographs(virtual: VirtualImages) -> list[tuple[str, str]]:
    rows, scale = sources(virtual), virtual.run.manifest.get("split", {}).get("scale", {})
    sizes = counted(" × ".join(str(side) for side in reversed(row["shape_HW"] or ())) for row in rows)
    pixel = counted("unknown" if row["pixel_size_nm"] is None else f"{row['pixel_size_nm']:.4g} nm" for row in rows)
    return [
        ("Micrographs", f"{len(rows)}, none of them in this data set"),
        ("Modality", str(virtual.run.manifest.get("modality"))),
        ("Size, px", sizes),
        ("Pixel size", pixel),
        ("Rough particle diameter, px", span([each for each in scale.get("diameters", []) if each])),
        ("Working diameter, px", number(scale.get("working_diameter"))),
    ]


def _gates(virtual: VirtualImages) -> list[tuple[str, Mapping[str, Any]]]:
    """(title, what it found) of each."""
    return [(_title(gate.step), gate.step.artifact.read("fidelity.json")) for gate in _judges(virtual)]


def _scores(virtual: VirtualImages) -> list[tuple[str, str, str]]:
    """(score, value, which way is better), of this generation against real crops."""
    name = f"{virtual.which}_generation"
    found = virtual.run.scores.get(name)
    if not found:
        return []
    return [(row.title, row.values[0], row.better) for row in score_table({name: found}).rows]


def _in_a_cell(value: Any) -> str:
    """Of a Markdown table."""
    return setting(value).replace("|", "\\|").replace("\n", " ")
