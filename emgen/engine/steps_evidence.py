"""What real micrographs say of a model's masks, without a label: the fidelity check with its roles exchanged.

The gate asks whether a virtual image shows the particles of its label. Here real images are given, and the masks are in
question: one on which no particle shows was invented, one beside its particle or of another size is poor, and a spot
like a particle without a mask was missed. The check is classical and was trained on nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emgen.artifacts import Artifact, create_stack, write_json
from emgen.data import SplitPlan
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, Parts, RoughLabels
from emgen.engine.pieces import check_stop, count_particles
from emgen.engine.recipe import core_maker
from emgen.engine.steps_labelled import labelled_indices
from emgen.engine.tiles import Tile, tiles_of
from emgen.stages import Context

if TYPE_CHECKING:
    from emgen.fidelity import Judged, Measured

SLOT, FILE, NUMBERS = "evidence", "evidence.json", "measured.npz"
PICTURES = 6
"""Tiles that are kept as pictures, the same in every round."""


@dataclass(frozen=True)
class Evidence:
    """What was measured of one set of masks on the tiles of the stack."""

    artifact: Artifact

    @property
    def tiles(self) -> list[dict[str, Any]]:
        """Per tile its window, factor, particles, covered share and median diameter in px at the working scale."""
        tiles: list[dict[str, Any]] = self.artifact.read(FILE)["tiles"]
        return tiles

    @property
    def masks(self) -> NDArray[np.bool_]:
        """All pixels of all tiles, one after the other: True on particles."""
        with np.load(self.artifact.path(NUMBERS)) as kept:
            count = int(sum(tile["pixels"] for tile in self.tiles))
            mask: NDArray[np.bool_] = np.unpackbits(kept["masks"], count=count).astype(bool)
            return mask

    def measured(self) -> list[Measured]:
        from emgen.fidelity import Measured

        names = [field.name for field in fields(Measured)]
        with np.load(self.artifact.path(NUMBERS)) as kept:
            return [Measured(*(kept[f"{n}.{name}"] for name in names)) for n in range(len(self.tiles))]


def gather(bench: Bench, micrographs: Micrographs, parts: Parts, masks: RoughLabels, *, label: str = SLOT) -> Evidence:
    """Measures the masks of a stack on the tiles that no network was trained on with labels."""
    known = labelled_indices(bench, micrographs)
    tiles = tiles_of(SplitPlan.from_dict(parts.plan), parts.plan["scale"]["factors"], bench.spec.data.crop, known)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        images, labels = _cut(context, micrographs, masks, tiles)
        measured = measure_tiles(context, images, labels)
        rows = [{**tile.to_dict(), **about(label_HW)} for tile, label_HW in zip(tiles, labels, strict=True)]
        names = [field.name for field in fields(measured[0])]
        numbers = {f"{n}.{name}": getattr(one, name) for n, one in enumerate(measured) for name in names}
        packed = np.packbits(np.concatenate([label_HW.ravel() > 0 for label_HW in labels]))
        np.savez_compressed(draft.folder / NUMBERS, masks=packed, **numbers)
        write_json(draft.folder / FILE, {"tiles": rows, **_own(measured)})
        _keep_pictures(draft, images, labels, bench.spec.data.crop)
        return {}

    return Evidence(
        bench.perform(
            Step(
                label=label,
                kind="scores",
                slot=SLOT,
                maker=core_maker(1, "emgen.fidelity", "emgen.engine.steps_evidence", "emgen.engine.tiles"),
                settings={"tiles": [tile.to_dict() for tile in tiles], "polarity": bench.polarity},
                input_keys={"micrographs": micrographs.artifact.key, "masks": masks.artifact.key},
                inputs=[micrographs.artifact, masks.artifact],
                seed_name="evidence",
                produce=produce,
            )
        )
    )


def _cut(
    context: Context, micrographs: Micrographs, masks: RoughLabels, tiles: Sequence[Tile]
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Images and labels of the tiles, each micrograph read once."""
    images: list[NDArray[Any]] = []
    labels: list[NDArray[Any]] = []
    before = -1
    for tile in tiles:
        if tile.window.index != before:
            before = tile.window.index
            image_HW, label_HW = micrographs.images[before].image_HW, masks[before]
        check_stop(context, f"stopped at tile {len(images)} of {len(tiles)}")
        images.append(tile.image(image_HW))
        labels.append(tile.label(label_HW))
    return images, labels


def measure_tiles(context: Context, images: Sequence[Any], labels: Sequence[Any]) -> list[Measured]:
    """The fidelity check's measurements of each (H, W) image with its int32 instances."""
    from emgen.fidelity import Measured, measure, sizes_of
    from emgen.fidelity.check import areas_of

    sizes = sizes_of(np.concatenate([areas_of(label_HW[None]) for label_HW in labels]))
    if sizes is None:
        return [Measured(np.zeros((0, 11)), np.zeros((0, 5)), np.zeros((0, 5)), np.zeros(0)) for _ in labels]
    context.plan(len(images))
    found = []
    for n, (image_HW, label_HW) in enumerate(zip(images, labels, strict=True)):
        check_stop(context, f"stopped at tile {n} of {len(images)}")
        found.append(measure(image_HW, label_HW, context.polarity, sizes, np.random.default_rng([context.seed, n])))
        context.log(n + 1, {})
    return found


def about(label_HW: NDArray[Any]) -> dict[str, Any]:
    """Numbers of pixels, particles and covered pixels, and the median diameter in px, of a tile."""
    from emgen.particles import typical_diameter

    diameter = float(typical_diameter(label_HW))
    return {
        "pixels": int(label_HW.size),
        "particles": count_particles(label_HW),
        "covered": int((label_HW > 0).sum()),
        "diameter": diameter if np.isfinite(diameter) else None,
    }


def _own(measured: list[Measured]) -> dict[str, Any]:
    """The rates by this set's own thresholds, for the table; two sets are compared by common ones."""
    from emgen.fidelity import Limits, judge, rates

    judged, thresholds = judge(measured, Limits())
    return {"rates": rates(judged), "counts": [asdict(tally(one)) for one in judged], "thresholds": asdict(thresholds)}


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one tile: masks on which a particle shows, masks at fault, spots like particles that have no mask."""

    sound: int
    at_fault: int
    missed: int


def tally(judged: Judged) -> Tally:
    missed = judged.count("invented")  # invented by the image, as it were: the model has no mask there
    return Tally(judged.count("sound"), judged.faults - missed, missed)


def _keep_pictures(draft: Draft, images: Sequence[Any], labels: Sequence[Any], crop: int) -> None:
    """Centres of tiles spread evenly over all, as ``image`` and ``label`` stacks."""
    chosen = np.unique(np.linspace(0, len(images) - 1, PICTURES).round()).astype(int)
    shape = (len(chosen), crop, crop)
    image_NHW, label_NHW = (
        create_stack(draft.folder / name, shape, dtype) for name, dtype in (("image", np.float32), ("label", np.int32))
    )
    for place, index in enumerate(chosen):
        image_NHW[place] = _centre(images[index], crop)
        label_NHW[place] = _centre(labels[index], crop)


def _centre(array_HW: NDArray[Any], side: int) -> NDArray[Any]:
    """The middle (side, side) of an array, which is continued by reflection where it is smaller."""
    array_HW = np.pad(array_HW, [(0, max(0, side - length)) for length in array_HW.shape], mode="reflect")
    top, left = ((length - side) // 2 for length in array_HW.shape)
    return array_HW[top : top + side, left : left + side]
