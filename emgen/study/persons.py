"""Hand labels of a run's micrographs: the user's own, or those of a simulated person, kept as an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emgen.artifacts import Artifact, write_json, write_stack
from emgen.engine.bench import Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs
from emgen.engine.recipe import core_maker
from emgen.engine.run import Run
from emgen.errors import NoImagesError
from emgen.stages import Context, FloatArray, LabelArray
from emgen.study.calibrate import calibration
from emgen.study.evaluation import read_array
from emgen.study.hand_labels import label_stack
from emgen.study.labels import LabelFolder, LabelOf
from emgen.study.trial import Material

SIMULATED_BY = (
    "emgen.particles",
    "emgen.study.agreement",
    "emgen.study.annotator",
    "emgen.study.calibrate",
    "emgen.study.hand_labels",
    "emgen.study.persons",
    "emgen.study.scene",
)


@dataclass(frozen=True)
class Labelled:
    """A micrograph with exact instances, as ``calibration`` takes it."""

    image_HW: FloatArray
    label_HW: LabelArray


def true_labels(run: Run, micrographs: Micrographs, material: Material) -> LabelOf:
    """Exact or given labels of the micrographs that the run trains on. Raises ``NoImagesError`` without."""
    return _from_folder(run, micrographs, material.training_truth, "study.truth")


def hand_labels(run: Run, micrographs: Micrographs, material: Material) -> tuple[LabelOf, str]:
    """Labels by hand of the micrographs that the run trains on, and a sentence that says whose they are.

    The user's own where they are given. On phantoms they are simulated: one person labels all micrographs, with
    errors calibrated to the agreement of two real labels.
    """
    if material.hand_labels:
        return _from_folder(run, micrographs, material.hand_labels, "study.hand_labels"), "hand labels as given"
    artifact = simulate(run, micrographs, true_labels(run, micrographs, material))
    return (lambda index: read_array(artifact.folder, "label", index)), _described(artifact)


def simulate(run: Run, micrographs: Micrographs, truth: LabelOf) -> Artifact:
    """``label/<i>`` by a simulated person, ``annotator.json`` about the errors."""

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        pairs = [Labelled(micrographs.images[i].image_HW, truth(i)) for i in range(len(micrographs))]
        fitted = calibration(pairs, context.seed)
        rng = np.random.default_rng(context.seed)
        labels = label_stack([p.label_HW for p in pairs], [p.image_HW for p in pairs], rng, fitted.annotator)
        for index, label_HW in enumerate(labels):
            write_stack(draft.folder / f"label/{index:05d}", label_HW[None], np.int32)
        write_json(draft.folder / "annotator.json", asdict(fitted))
        return {}

    return run.bench.perform(
        Step(
            label="hand labels, simulated",
            kind="labels",
            slot="hand_labels",
            maker=core_maker(1, *SIMULATED_BY),
            input_keys={"micrographs": micrographs.artifact.key, "truth": digest_of(truth, len(micrographs))},
            inputs=[micrographs.artifact],
            seed_name="hand_labels",
            produce=produce,
        )
    )


def _from_folder(run: Run, micrographs: Micrographs, folder: str | None, field: str) -> LabelOf:
    if folder is None:
        raise NoImagesError(f"{field}: labels of the micrographs to train on are wanted; name their folder.")
    labels = LabelFolder(folder, run.bench.host)
    labels.require(micrographs.names)
    names, shapes = micrographs.names, micrographs.shapes_HW
    return lambda index: labels.read(names[index], shapes[index])


def digest_of(truth: LabelOf, count: int) -> str:
    import hashlib

    digest = hashlib.sha256()
    for index in range(count):
        digest.update(np.ascontiguousarray(truth(index), np.int32).tobytes())
    return digest.hexdigest()


def _described(artifact: Artifact) -> str:
    reached = artifact.read("annotator.json")["reached"]
    return (
        "simulated hand labels of one person; two such persons agree with a foreground IoU of "
        f"{reached['foreground_iou']:.2f}, an object F1 of {reached['f1']:.2f}, and mean diameters within "
        f"{100 * reached['diameter_difference']:.1f} %"
    )
