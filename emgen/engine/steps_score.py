"""Step 7: how near each generation comes to the real micrographs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emgen.artifacts import Artifact, StackRef, ZarrStack, write_json
from emgen.engine.bench import Bench, Chosen, Step
from emgen.engine.cache import Draft
from emgen.engine.features import FeatureMemo
from emgen.engine.handles import Parts
from emgen.engine.steps_virtual import generate, translate
from emgen.registration import MetricPlugin
from emgen.stages import Context, MetricContext, Need

Scores = dict[str, dict[str, Mapping[str, float | str]]]
"""``scores[generation][metric][score]``"""


@dataclass(frozen=True)
class Comparison:
    """One pair of stacks that metrics with the same ``needs`` are computed on."""

    generation: str
    needs: Need
    generated: StackRef
    real: StackRef
    groups: list[int]
    """The micrograph of each real image: its crops are not independent."""


def score(
    bench: Bench, parts: Parts, morphology: Artifact, contrast: Artifact, first: StackRef, second: StackRef
) -> Scores:
    """All metrics of the spec, of both generations.

    Sets of images are compared with subset 2. Pairs are real crops that no network saw, and the images generated from
    their rough masks, before and after the contrast GAN.
    """
    metrics = [bench.of_slot_value("metric", value) for value in bench.spec.metrics]
    needs = {_needs(metric) for metric in metrics}
    comparisons: list[Comparison] = []
    if "generated-vs-real" in needs:
        real, groups = parts.subset2_images, parts.sources("subset2")
        comparisons += [
            Comparison("first_generation", "generated-vs-real", first, real, groups),
            Comparison("second_generation", "generated-vs-real", second, real, groups),
        ]
    if "paired" in needs:
        comparisons += _pairs(bench, parts, morphology, contrast)
    return _compute(bench, metrics, comparisons)


def _pairs(bench: Bench, parts: Parts, morphology: Artifact, contrast: Artifact) -> list[Comparison]:
    real = parts.held_out_images
    if not len(real):
        bench.record.note("no paired scores: the micrographs are too small to hold any crop out")
        return []
    before = generate(bench, morphology, parts.held_out_labels, label="held_out_first_generation")
    after = translate(bench, contrast, before, label="held_out_second_generation")
    groups = parts.sources("held_out")
    return [
        Comparison("first_generation", "paired", before, real, groups),
        Comparison("second_generation", "paired", after, real, groups),
    ]


def _compute(bench: Bench, metrics: list[Chosen], comparisons: list[Comparison]) -> Scores:
    scores: Scores = {comparison.generation: {} for comparison in comparisons}
    memo = FeatureMemo(bench.device)
    opened: dict[str, ZarrStack] = {}
    for comparison in comparisons:
        for metric in metrics:
            if _needs(metric) == comparison.needs:
                scores[comparison.generation][metric.plugin.name] = _one(bench, metric, comparison, memo, opened)
    return scores


def _one(
    bench: Bench, metric: Chosen, comparison: Comparison, memo: FeatureMemo, opened: dict[str, ZarrStack]
) -> Mapping[str, float | str]:
    refs = (comparison.generated, comparison.real)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        a, b = (opened.setdefault(ref.key, ref.open()) for ref in refs)
        shared = MetricContext(seed=context.seed, device=bench.device)
        implementation = metric.registered.create(metric.config, shared)
        features, groups = memo.of(implementation), comparison.groups
        own = MetricContext(seed=context.seed, device=bench.device, features=features, groups=groups)
        write_json(draft.folder / "scores.json", dict(implementation.compute(a, b, own)))
        return {}

    artifact = bench.perform(
        Step(
            label=f"score {metric.plugin.name} {comparison.generation}",
            kind="scores",
            slot="metric",
            maker=metric.maker,
            config=metric.key_settings,
            input_keys={"generated": refs[0].key, "real": refs[1].key},
            inputs=[ref.artifact for ref in refs],
            seed_name="score",
            who=metric.registered,
            simulated=metric.simulated,
            produce=produce,
        )
    )
    values: Mapping[str, float | str] = artifact.read("scores.json")
    return values


def _needs(metric: Chosen) -> Need:
    assert isinstance(metric.plugin, MetricPlugin)
    return metric.plugin.needs
