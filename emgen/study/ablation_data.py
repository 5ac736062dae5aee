"""What the ablation varies and what it keeps: few micrographs of subset 1, one set of real crops to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emgen.artifacts import StackRef, write_json
from emgen.data import SplitPlan, Window, cut_crops
from emgen.engine.bench import Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, Parts, RoughLabels
from emgen.engine.recipe import core_maker
from emgen.engine.run import Run
from emgen.engine.steps_rounds import scale_of
from emgen.engine.steps_split import cut_all, data_settings
from emgen.stages import Context
from emgen.study.evaluation import Unseen

ENOUGH = 24
"""With fewer real crops a distance between sets of images says little."""


@dataclass(frozen=True)
class ComparedParts(Parts):
    """The split, but generated images are compared with other real crops than those of subset 2."""

    real: StackRef
    micrograph_of: Sequence[int]

    @property
    def subset2_images(self) -> StackRef:
        return self.real

    def sources(self, subset: str) -> list[int]:
        return list(self.micrograph_of) if subset == "subset2" else super().sources(subset)


def few_of_subset1(run: Run, micrographs: Micrographs, rough: RoughLabels, parts: Parts, share: float) -> Parts:
    """The split with only a share of subset 1: at least one window, and all of those that a smaller share holds.

    Subset 2 and what is held out stay, crop by crop.
    """
    plan = SplitPlan.from_dict(parts.plan)
    kept = chosen_windows(plan.subset1, share, run.bench.spec.seed)
    few = replace(plan, subset1=kept)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        sources = cut_all(draft, context, micrographs, rough, few, scale_of(parts), run.bench)
        counts = {subset: len(indices) for subset, indices in sources.items()}
        write_json(draft.folder / "split.json", {**parts.plan, **few.to_dict(), "crops": counts, "sources": sources})
        return {name: parts.artifact.facts[name] for name in ("working_diameter", "factors")}

    if len(kept) == len(plan.subset1):
        return parts
    artifact = run.bench.perform(
        Step(
            label=f"split, {len(kept)} of {len(plan.subset1)}",
            kind="crops",
            slot="split",
            maker=core_maker(1, "emgen.data", "emgen.engine.steps_split", "emgen.study.ablation_data"),
            config={"data": data_settings(run.bench)},
            settings={"kept": [[w.index, w.y, w.x] for w in kept]},
            input_keys={"split": parts.artifact.key, "rough": rough.artifact.key},
            inputs=[micrographs.artifact, rough.artifact, parts.artifact],
            seed_name="split",  # that of the whole split: the same crops of each window
            produce=produce,
        )
    )
    return Parts(artifact)


def chosen_windows(windows: Sequence[Window], share: float, seed: int) -> tuple[Window, ...]:
    """The first of the windows in a random order that the seed fixes, so that more is always more of the same."""
    count = min(len(windows), max(1, round(share * len(windows))))
    order = np.random.default_rng([seed, 0xAB1A]).permutation(len(windows))[:count]
    return tuple(windows[index] for index in sorted(order))


def compared_with(run: Run, parts: Parts, unseen: Unseen | None) -> tuple[ComparedParts, str]:
    """The real crops that generated images are compared with, and in words which these are.

    Crops that no network has seen where there are enough: of the unseen micrographs, else the held-out ones. Subset 2,
    which the contrast GAN has seen, only where there is nothing better.
    """
    if unseen is not None:
        real, sources = _crops_of(run, parts, unseen)
        return ComparedParts(
            parts.artifact, real, sources
        ), f"{len(real)} crops of micrographs that no network has seen"
    held = parts.held_out_images
    if len(held) >= ENOUGH:
        return ComparedParts(parts.artifact, held, parts.sources("held_out")), f"{len(held)} crops that were held out"
    real = parts.subset2_images
    words = f"{len(real)} crops of subset 2, which the contrast GAN has seen (only {len(held)} were held out)"
    return ComparedParts(parts.artifact, real, parts.sources("subset2")), words


def _crops_of(run: Run, parts: Parts, unseen: Unseen) -> tuple[StackRef, list[int]]:
    """Cut at the median factor of the stack."""
    data, factor = run.bench.spec.data, float(np.median(parts.plan["scale"]["factors"]))
    rng = np.random.default_rng(run.bench.spec.seed)
    images, sources = [], []
    for index in range(len(unseen)):
        image_HW = unseen.image(index)
        window = Window(index, 0, 0, *image_HW.shape)
        crops, _ = cut_crops(image_HW, None, window, factor, data.crop, data.crops_per_micrograph, rng)
        images.append(crops)
        sources += [index] * len(crops)
    image_NHW = np.concatenate(images)
    scale = {"working_diameter": parts.artifact.facts["working_diameter"]}
    real, _ = run.bring(image_NHW, np.zeros(image_NHW.shape, np.int32), scale, label="crops to compare with")
    return real, sources
