"""Step 1 and 2: read the stack, segment it roughly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, overload

import numpy as np

from emgen.artifacts import create_stack, write_json
from emgen.data import MicrographSet, expand_images, set_notes
from emgen.data.stack import file_sha256, suffixes_of
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, RoughLabels
from emgen.engine.pieces import check_stop, checked, count_particles
from emgen.engine.recipe import core_maker, plugin_maker
from emgen.registration import ReaderPlugin
from emgen.spec.slots import settings_for_key
from emgen.stages import Context, FloatArray

LESSONS = "rough_segmenter_lessons"
"""The step in which a rough segmenter learns from the stack."""


def read(bench: Bench) -> Micrographs:
    """Finds, checks and hashes every micrograph. Raises ``NoImagesError``, ``BadImageError``, ``UnreadableFileError``.

    The key holds the contents of the files, not their paths.
    """
    spec = bench.spec
    paths = expand_images(spec.images, spec.base, suffixes_of(bench.host))
    images = MicrographSet(paths, bench.host, spec.modality, spec.data.pixel_size_nm)
    _require(images, spec.split.subset1, spec.split.by, spec.split.held_out)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        infos = images.survey()
        rows = [
            {name: value for name, value in asdict(info).items() if name not in ("name", "source")} for info in infos
        ]
        write_json(draft.folder / "micrographs.json", {"micrographs": rows, "notes": set_notes(infos)})
        return {"micrographs": draft.recipe.key}

    artifact = bench.perform(
        Step(
            label="micrographs",
            kind="micrographs",
            slot="micrographs",
            maker=plugin_maker(spec.modality, bench.host.find("modality", spec.modality)),
            settings={
                "pixel_size_nm": spec.data.pixel_size_nm,
                "code": _reading_code(bench, paths),
                **({"reader": settings_for_key(spec.data.reader)} if spec.data.reader else {}),
            },
            input_keys={"files": [file_sha256(path) for path in paths]},
            produce=produce,
        )
    )
    micrographs = Micrographs(artifact, images)
    bench.record.update({"data": _data_facts(micrographs, paths)})
    return micrographs


def teach_segmenter(bench: Bench, micrographs: Micrographs) -> None:
    """Lets a rough segmenter that learns from the stack do so; the others have no ``fit``."""
    chosen = bench.chosen("rough_segmenter")
    if not hasattr(chosen.registered.load(), "fit"):
        return

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        segmenter = bench.stage(chosen, context)
        segmenter.fit(Pixels(micrographs), context)
        segmenter.save(draft.empty("model"))
        return {}

    bench.taught = bench.perform(
        Step(
            label=LESSONS,
            kind="model",
            slot=LESSONS,
            produce=produce,
            input_keys={"micrographs": micrographs.artifact.key},
            inputs=[micrographs.artifact],
            seed_name="teach_segmenter",
            **bench.with_plugin(chosen),
        )
    )


class Pixels(Sequence[FloatArray]):
    """The micrographs' pixels, (H, W) float32 in [0, 1] each, read anew whenever they are asked for.

    ``chosen``: indices of those that are meant, in their order; all of them if ``None``.
    """

    def __init__(self, micrographs: Micrographs, chosen: Sequence[int] | None = None) -> None:
        self._images = micrographs.images
        self._chosen = range(len(self._images)) if chosen is None else chosen

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...
    @overload
    def __getitem__(self, index: slice) -> list[FloatArray]: ...
    def __getitem__(self, index: int | slice) -> FloatArray | list[FloatArray]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        image_HW: FloatArray = self._images[self._chosen[index]].image_HW
        return image_HW


def segment_roughly(bench: Bench, micrographs: Micrographs, *, label: str = "rough_segmenter") -> RoughLabels:
    """Rough instances of every micrograph at its native size, one call each; each is kept as soon as it is done."""
    chosen = bench.chosen("rough_segmenter")
    taught = {LESSONS: bench.taught} if bench.taught else {}

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        segmenter = bench.rough_segmenter(context)
        context.plan(len(micrographs))
        for index in range(draft.done(), len(micrographs)):
            check_stop(context, f"stopped at micrograph {index} of {len(micrographs)}")
            image_HW = micrographs.images[index].image_HW
            label_NHW = checked(segmenter.segment(image_HW[None]), (1, *image_HW.shape), np.int32)
            create_stack(draft.folder / f"labels/{index:05d}", label_NHW.shape, np.int32)[0:1] = label_NHW
            draft.mark_done(index + 1)
            context.log(index + 1, {"particles": float(count_particles(label_NHW))})
        return {}

    return RoughLabels(
        bench.perform(
            Step(
                label=label,
                kind="labels",
                slot="rough_segmenter",
                produce=produce,
                input_keys={
                    "micrographs": micrographs.artifact.key,
                    **{name: made.key for name, made in taught.items()},
                },
                inputs=[micrographs.artifact, *taught.values()],
                seed_name="segment_roughly",
                **bench.with_plugin(chosen),
            )
        )
    )


def _require(images: MicrographSet, subset1: int | float, by: str, held_out: float) -> None:
    """What can be known to be too few before anything is computed; the split itself checks the rest."""
    if isinstance(subset1, int):
        images.require(subset1 + (by != "region"), f"split.subset1: {subset1}")
    if by == "micrograph":
        images.require(3 if held_out else 2, "split.by: micrograph")


def _reading_code(bench: Bench, paths: Sequence[Path]) -> dict[str, str]:
    """What reads these files and checks them, with versions: the readers of their suffixes, and emgen."""
    suffixes = {path.suffix.lower() for path in paths}
    readers = {
        name: plugin_maker(name, reader)
        for name, reader in bench.host.plugins("reader").items()
        if isinstance(reader.plugin, ReaderPlugin) and suffixes & set(reader.plugin.suffixes)
    }
    makers = {**readers, "emgen": core_maker(1, "emgen.data")}
    return {
        name: f"{maker.distribution} {maker.version} {maker.sources or ''}".strip() for name, maker in makers.items()
    }


def _data_facts(micrographs: Micrographs, paths: Sequence[Path]) -> dict[str, Any]:
    """Names with hashes and sizes, for the run's manifest."""
    rows = [{"name": name, **info} for name, info in zip(micrographs.names, micrographs.infos, strict=True)]
    return {"micrographs": rows, "files": [str(path) for path in paths], "notes": micrographs.notes}
