"""Split the stack and cut it into crops at the working scale."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from emgen.artifacts import ZarrStack, create_stack, write_json
from emgen.data import SplitPlan, Window, cut_crops, split_micrographs
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, Parts, RoughLabels
from emgen.engine.pieces import check_stop, count_particles
from emgen.engine.recipe import core_maker
from emgen.engine.scale import Scale, check_polarity, measure_scale, no_particles
from emgen.errors import NoParticlesError
from emgen.stages import Context

SUBSETS = ("subset1", "subset2", "held_out")


def split(bench: Bench, micrographs: Micrographs, rough: RoughLabels, *, label: str = "split") -> Parts:
    """Subset 1 and the held-out part with rough labels, subset 2 without. Raises ``NoParticlesError``."""
    spec = bench.spec

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        scale = measure_scale(rough, micrographs.names, spec.data.scale, spec.data.working_diameter)
        if spec.data.polarity_check:
            check_polarity(micrographs, rough, bench.polarity)
        plan = _plan(bench, micrographs, rough, scale, context.seed)
        sources = cut_all(draft, context, micrographs, rough, plan, scale, bench)
        counts = {subset: len(indices) for subset, indices in sources.items()}
        crops = {"crops": counts, "sources": sources}
        write_json(draft.folder / "split.json", {**plan.to_dict(), "scale": scale.to_dict(), **crops})
        factors = [float(f(scale.factors)) for f in (np.min, np.median, np.max)]
        return {"working_diameter": scale.working_diameter, "factors": factors}

    parts = Parts(
        bench.perform(
            Step(
                label=label,
                kind="crops",
                slot="split",
                maker=core_maker(2, "emgen.data", "emgen.particles", "emgen.engine.scale", "emgen.engine.steps_split"),
                config={"data": data_settings(bench), "split": spec.split.model_dump(mode="json")},
                settings={"polarity": bench.polarity},
                input_keys={"micrographs": micrographs.artifact.key, "rough": rough.artifact.key},
                inputs=[micrographs.artifact, rough.artifact],
                seed_name="split",
                produce=produce,
            )
        )
    )
    bench.record.update({"split": {name: fact for name, fact in parts.plan.items() if name != "sources"}})
    return parts


def data_settings(bench: Bench) -> dict[str, Any]:
    """Without what the micrographs' own key already holds."""
    settings: dict[str, Any] = bench.spec.data.model_dump(mode="json", exclude={"pixel_size_nm", "doctor"})
    return settings


def _plan(bench: Bench, micrographs: Micrographs, rough: RoughLabels, scale: Scale, seed: int) -> SplitPlan:
    def particles(index: int, window: Window) -> int:
        return count_particles(rough[index][window.slices])

    data = bench.spec.data
    return split_micrographs(micrographs.shapes_HW, scale.factors, particles, bench.spec.split, data.crop, seed)


def cut_all(
    draft: Draft,
    context: Context,
    micrographs: Micrographs,
    rough: RoughLabels,
    plan: SplitPlan,
    scale: Scale,
    bench: Bench,
) -> dict[str, list[int]]:
    """Writes image and label stacks of the subsets, one micrograph at a time; returns each crop's micrograph."""
    data = bench.spec.data
    images = {subset: _empty(draft, f"{subset}/image", data.crop, np.float32) for subset in SUBSETS}
    labels = {
        subset: _empty(draft, f"{subset}/label", data.crop, np.int32) for subset in SUBSETS if subset != "subset2"
    }
    sources: dict[str, list[int]] = {subset: [] for subset in SUBSETS}
    windows = sorted((w.index, number, w) for number, name in enumerate(SUBSETS) for w in getattr(plan, name))
    context.plan(len(micrographs))
    for index, group in itertools.groupby(windows, key=lambda entry: entry[0]):
        check_stop(context, f"stopped at micrograph {index} of {len(micrographs)}")
        image_HW, label_HW = micrographs.images[index].image_HW, rough[index]
        for _, number, window in group:
            rng = np.random.default_rng([context.seed, number, index, window.y, window.x])
            crops = (window, scale.factors[index], data.crop, data.crops_per_micrograph, rng)
            image_NHW, label_NHW = cut_crops(image_HW, label_HW, *crops)
            images[SUBSETS[number]].append(image_NHW)
            sources[SUBSETS[number]] += [index] * len(image_NHW)
            if SUBSETS[number] in labels:
                labels[SUBSETS[number]].append(label_NHW)
        context.log(index + 1, {})
    if not any((label_HW > 0).any() for label_HW in labels["subset1"]):
        raise NoParticlesError(f"subset 1 holds no particle: {no_particles(micrographs.names)}")
    return sources


def _empty(draft: Draft, name: str, side: int, dtype: Any) -> ZarrStack:
    return create_stack(draft.folder / name, (0, side, side), dtype)
