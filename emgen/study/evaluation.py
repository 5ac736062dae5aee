"""Segmentations of micrographs that no training has seen, and their scores against the truth, kept as artifacts.

An artifact of slot ``unseen`` holds ``image/<i>`` and, where there is truth, ``label/<i>``, each (1, H, W); one of slot
``evaluation`` holds the segmentations ``label/<i>`` and ``scores.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emgen.artifacts import Artifact, open_stack, write_json, write_stack
from emgen.data import MicrographSet, expand_images
from emgen.data.stack import file_sha256, suffixes_of
from emgen.engine.bench import Step
from emgen.engine.cache import Draft
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker, plugin_maker
from emgen.engine.run import Run
from emgen.model import load_model, read_info
from emgen.stages import Context, FloatArray, LabelArray
from emgen.study.labels import LabelFolder
from emgen.study.scoring import score_labels, scorers_of
from emgen.study.trial import Material

SCORES = "scores.json"
SCORED_BY = ("emgen.particles", "emgen.study.scoring")
Segment = Callable[[int, FloatArray], LabelArray]
"""Instances of unseen micrograph i, whose pixels are given too."""


@dataclass(frozen=True)
class Unseen:
    """Micrographs that no training has seen, as the run's modality normalises them."""

    artifact: Artifact

    @property
    def names(self) -> list[str]:
        names: list[str] = self.artifact.read("names.json")
        return names

    @property
    def has_truth(self) -> bool:
        return self.artifact.path("label").is_dir()

    def __len__(self) -> int:
        return len(self.names)

    def image(self, index: int) -> FloatArray:
        """(H, W) float32 in [0, 1]."""
        image_HW: FloatArray = read_array(self.artifact.folder, "image", index)
        return image_HW

    def truth(self, index: int) -> LabelArray:
        """(H, W) int32."""
        label_HW: LabelArray = read_array(self.artifact.folder, "label", index)
        return label_HW


def read_array(folder: Path | str, name: str, index: int) -> Any:
    """(H, W) of an ``unseen`` or ``evaluation`` artifact."""
    return open_stack(Path(folder) / name / f"{index:05d}")[0]


def bring_unseen(run: Run, material: Material) -> Unseen:
    """Reads the micrographs to score on, and their truth where there is any. Raises ``DataError``s."""
    bench = run.bench
    paths = expand_images(material.unseen, suffixes=suffixes_of(bench.host))
    images = MicrographSet(paths, bench.host, bench.spec.modality, bench.spec.data.pixel_size_nm)
    labels = LabelFolder(material.truth, bench.host) if material.truth else None
    if labels is not None:
        labels.require(images.names)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        for index, name in enumerate(images.names):
            image_HW = images[index].image_HW
            write_stack(draft.folder / f"image/{index:05d}", image_HW[None], np.float32)
            if labels is not None:
                label_NHW = labels.read(name, image_HW.shape)[None]
                write_stack(draft.folder / f"label/{index:05d}", label_NHW, np.int32)
        write_json(draft.folder / "names.json", images.names)
        return {}

    truth_files = [labels.files[name] for name in images.names] if labels else []
    artifact = bench.perform(
        Step(
            label="unseen",
            kind="crops",
            slot="unseen",
            maker=core_maker(1, "emgen.data", "emgen.scores.masks"),
            settings={
                "modality": bench.spec.modality,
                "normalise": asdict(
                    plugin_maker(bench.spec.modality, bench.host.find("modality", bench.spec.modality))
                ),
                "names": images.names,
            },
            input_keys={"files": [file_sha256(path) for path in paths], "truth": [file_sha256(p) for p in truth_files]},
            produce=produce,
        )
    )
    return Unseen(artifact)


def evaluate_model(run: Run, model: Artifact, unseen: Unseen, *, label: str, folder: str = "model") -> Artifact:
    """Segments the unseen micrographs with a model, or with its state in ``snapshots/<step>``.

    All states of a training bring a micrograph to its scale alike, by the rough segmenter; so it is done once.
    """
    factors = _factors(run, model, unseen)

    def segmenter() -> Segment:
        loaded = load_model(model.path(folder), host=run.bench.host, device=run.bench.device)
        known = [None if factors is None else (factors[index],) for index in range(len(unseen))]
        return lambda index, image_HW: loaded.segment(image_HW, known[index]).label_HW

    maker = core_maker(1, "emgen.model", "emgen.multiscale", *SCORED_BY)
    keys = {"model": f"{model.key}/{folder}", "factors": factors}
    return _evaluate(run, unseen, segmenter, label, maker=maker, keys=keys, inputs=[model])


def _factors(run: Run, model: Artifact, unseen: Unseen) -> list[float] | None:
    """Factor of each unseen micrograph on the working scale of a model; ``None`` where the model finds it itself."""
    scale = read_info(model.path("model"))
    if not scale["scale"]:
        return None

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        loaded = load_model(model.path("model"), host=run.bench.host, device=run.bench.device)
        write_json(draft.folder / "factors.json", [loaded.factor(unseen.image(index)) for index in range(len(unseen))])
        return {}

    artifact = run.bench.perform(
        Step(
            label="scale of unseen micrographs",
            kind="scores",
            slot="scale",
            maker=core_maker(1, "emgen.model"),
            settings={
                **{name: scale[name] for name in ("scale", "working_diameter", "polarity", "modality")},
                "finder": asdict(run.bench.chosen("rough_segmenter").maker),
            },
            input_keys={"unseen": unseen.artifact.key, "lessons": run.bench.taught.key if run.bench.taught else None},
            inputs=[unseen.artifact],
            produce=produce,
        )
    )
    factors: list[float] = artifact.read("factors.json")
    return factors


def evaluate_rough(run: Run, unseen: Unseen, *, label: str = "rough masks") -> Artifact:
    """Segments the unseen micrographs with the rough segmenter of the run, as it does those to train on."""
    bench = run.bench
    chosen = bench.chosen("rough_segmenter")

    def segmenter() -> Segment:
        context = Context(seed=bench.spec.seed, device=bench.device, polarity=bench.polarity)
        stage = bench.rough_segmenter(context)
        return lambda index, image_HW: stage.segment(image_HW[None])[0]

    keys = {"seed": bench.spec.seed, "scored": asdict(core_maker(1, *SCORED_BY))}
    keys |= {"lessons": bench.taught.key} if bench.taught else {}
    config: dict[str, Any] = {"config": chosen.key_settings, "full_config": chosen.config.model_dump(mode="json")}
    return _evaluate(run, unseen, segmenter, label, maker=chosen.maker, keys=keys, **config, simulated=chosen.simulated)


def _evaluate(
    run: Run,
    unseen: Unseen,
    segmenter: Callable[[], Segment],
    label: str,
    *,
    keys: Mapping[str, Any],
    inputs: Sequence[Artifact] = (),
    **fields: Any,
) -> Artifact:
    """Labels of each unseen micrograph at its own size, and their scores; each is kept as soon as it is done."""
    scorers = scorers_of(run.bench.host)

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        segment = segmenter()
        context.plan(len(unseen))
        for index in range(draft.done(), len(unseen)):
            check_stop(context, f"stopped at micrograph {index} of {len(unseen)}")
            write_stack(draft.folder / f"label/{index:05d}", segment(index, unseen.image(index))[None], np.int32)
            draft.mark_done(index + 1)
            context.log(index + 1, {})
        found = [read_array(draft.folder, "label", index) for index in range(len(unseen))]
        truth = [unseen.truth(index) for index in range(len(unseen))] if unseen.has_truth else None
        write_json(draft.folder / SCORES, score_labels(found, truth, scorers, unseen.names))
        return {}

    polarity = {"polarity": run.bench.polarity, "precision": run.bench.precision}
    return run.bench.perform(
        Step(
            label=f"evaluate {label}",
            kind="scores",
            slot="evaluation",
            settings={**polarity, "scorers": {name: asdict(scorer.maker) for name, scorer in scorers.items()}},
            input_keys={**keys, "unseen": unseen.artifact.key},
            inputs=[*inputs, unseen.artifact],
            produce=produce,
            **fields,
        )
    )
