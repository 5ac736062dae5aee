"""A few labelled micrographs: found, checked, and brought to the scale of the stack.

Each is resized as the stack is, since that is how the trained model will see it. Where it is a micrograph of the stack,
nothing of its held-out part is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emgen.artifacts import Artifact, write_json
from emgen.data import SplitPlan, Window
from emgen.data.labelled import Pair, find_pairs, read_pair
from emgen.data.stack import file_sha256
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, Parts
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.errors import DataError
from emgen.stages import Context, FloatArray, LabelArray


@dataclass(frozen=True)
class Labelled:
    """The labelled micrographs: files on disk, and what was found out about them."""

    pairs: tuple[Pair, ...]
    artifact: Artifact
    bench: Bench

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Per micrograph: sha256, shape_HW, particles, diameter in px, factor, and windows that may be trained on."""
        rows: list[dict[str, Any]] = self.artifact.read("labelled.json")["micrographs"]
        return rows

    @property
    def factors(self) -> list[float]:
        return [row["factor"] for row in self.rows]

    @property
    def windows(self) -> list[Window]:
        """``index`` counts the labelled micrographs."""
        return [Window(**window) for row in self.rows for window in row["windows"]]

    def read(self, index: int) -> tuple[FloatArray, LabelArray]:
        """(H, W) normalised image and instances at the micrograph's own size."""
        return read_pair(self.pairs[index], self.bench.host, self.bench.spec.modality)


def read_labelled(bench: Bench, parts: Parts, micrographs: Micrographs) -> Labelled:
    """The labelled micrographs of the spec. Raises ``DataError`` for one that is held out, or does not fit its mask."""
    spec = bench.spec.labelled
    assert spec is not None
    pairs = tuple(find_pairs(spec.images, spec.masks, bench.spec.base, bench.host))
    places = [_place(pair, parts, micrographs) for pair in pairs]
    finder, taught = bench.chosen("rough_segmenter"), bench.taught
    scale = {name: parts.artifact.facts[name] for name in ("working_diameter", "factors")}

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        from emgen.model import factor_by_rough_particles

        segmenter = bench.rough_segmenter(context)
        rows: list[dict[str, Any]] = []
        for pair, place in zip(pairs, places, strict=True):
            check_stop(context, f"stopped at {pair.image.name}")
            image_HW, label_HW = read_pair(pair, bench.host, bench.spec.modality)
            factor = place.factor or factor_by_rough_particles(segmenter, image_HW, *scale.values())
            rows.append(_row(pair, label_HW, factor, place.windows, len(rows)))
        write_json(draft.folder / "labelled.json", {"micrographs": rows})
        return scale

    artifact = bench.perform(
        Step(
            label="labelled",
            kind="labels",
            slot="labelled",
            maker=core_maker(1, "emgen.data", "emgen.model", "emgen.engine.steps_labelled"),
            settings={"finder": asdict(finder.maker), "finder_config": finder.key_settings, "scale": scale}
            | {"modality": bench.spec.modality, "places": [asdict(place) for place in places]},
            input_keys={"files": [_digest(pair) for pair in pairs], **({"lessons": taught.key} if taught else {})},
            inputs=[parts.artifact, *([taught] if taught else [])],
            seed_name="segment_roughly",
            produce=produce,
        )
    )
    return Labelled(pairs, artifact, bench)


def labelled_indices(bench: Bench, micrographs: Micrographs) -> set[int]:
    """Places in the stack of those of its micrographs that the spec has labels of."""
    spec = bench.spec.labelled
    if spec is None:
        return set()
    labelled = {pair.sha256 for pair in find_pairs(spec.images, spec.masks, bench.spec.base, bench.host)}
    return {index for index, info in enumerate(micrographs.infos) if info["sha256"] in labelled}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a labelled micrograph stands in the stack: its factor there, and what of it may be trained on.

    Both ``None`` for one from elsewhere.
    """

    factor: float | None = None
    windows: tuple[Window, ...] | None = None


def _place(pair: Pair, parts: Parts, micrographs: Micrographs) -> _Place:
    known = [info["sha256"] for info in micrographs.infos]
    if (sha256 := pair.sha256) not in known:
        return _Place()
    index, plan = known.index(sha256), SplitPlan.from_dict(parts.plan)
    windows = tuple(window for window in (*plan.subset1, *plan.subset2) if window.index == index)
    if not windows:
        raise DataError(
            f"labelled: {pair.image} is held out of all training in this run (split.held_out). Take it out of `images` "
            "or of `labelled.images`, or set split.held_out: 0."
        )
    return _Place(float(parts.plan["scale"]["factors"][index]), windows)


def _row(
    pair: Pair, label_HW: LabelArray, factor: float, windows: Sequence[Window] | None, number: int
) -> dict[str, Any]:
    from emgen.particles import equivalent_diameters, typical_diameter

    whole = Window(number, 0, 0, *label_HW.shape)
    usable = [whole] if windows is None else [Window(number, w.y, w.x, w.height, w.width) for w in windows]
    diameter = float(typical_diameter(label_HW))
    return {
        "sha256": pair.sha256,
        "shape_HW": list(label_HW.shape),
        "particles": len(equivalent_diameters(label_HW)),
        "diameter": diameter if np.isfinite(diameter) else None,
        "factor": factor,
        "in_the_stack": windows is not None,
        "windows": [asdict(window) for window in usable],
    }


def _digest(pair: Pair) -> list[str]:
    """The mask's ending tells instances from areas, so it counts as its contents do."""
    return [pair.sha256, file_sha256(pair.mask), pair.mask.stem.rpartition("_")[2]]
