"""What the run's micrographs look like to its model: by this a later one is known as of their domain, or not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.artifacts import Artifact
from emgen.data.stack import modality_normalise
from emgen.domain import FILE, LEAST, learn_reference
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.engine.steps_data import Pixels
from emgen.stages import Context

if TYPE_CHECKING:
    from emgen.engine.tandem import Outcome

SLOT = "domain"
MOST = 200
"""Micrographs that are looked at, spread evenly over the stack: 100 promise a rate of false alarms of 1 %."""


def describe_domain(bench: Bench, outcome: Outcome) -> Artifact | None:
    """``domain.json`` of a tandem's model, kept in the run's ``model/``; ``None`` where micrographs are too few."""
    if (count := len(outcome.micrographs)) < LEAST:
        bench.record.note(
            f"the model cannot say whether a new micrograph is of its domain: that takes {LEAST} micrographs to learn "
            f"from, there are {count}"
        )
        return None
    artifact = _described(bench, outcome.micrographs, outcome.model)
    shutil.copyfile(artifact.path(FILE), bench.folder / "model" / FILE)
    return artifact


def _described(bench: Bench, micrographs: Micrographs, model: Artifact) -> Artifact:
    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        from emgen.model import load_model

        loaded = load_model(model.path("model"), host=bench.host, device=bench.device).accelerate()
        normalise = modality_normalise(bench.host, bench.spec.modality)
        images = Pixels(micrographs, spread(len(micrographs)))
        context.plan(len(images))
        done = lambda count: _told(context, count, len(images))
        # Segmented as new ones will be: at the size that the model finds, not at that of the split.
        learn_reference(images, loaded, normalise, context.seed, done=done).save(draft.folder)
        return {}

    return bench.perform(
        Step(
            label="domain of the model",
            kind="domain",
            slot=SLOT,
            maker=core_maker(2, "emgen.domain", "emgen.model", "emgen.multiscale"),
            settings={"most": MOST},
            input_keys={"micrographs": micrographs.artifact.key, "model": model.key},
            inputs=[micrographs.artifact, model],
            seed_name=SLOT,
            produce=produce,
        )
    )


def spread(count: int) -> list[int]:
    """Indices of ``MOST`` of ``count`` micrographs, evenly over the stack; of all where there are no more.

    >>> spread(3)
    [0, 1, 2]
    """
    chosen: list[int] = np.linspace(0, count - 1, min(count, MOST)).round().astype(int).tolist()
    return chosen


def _told(context: Context, count: int, total: int) -> None:
    context.log(count, {})
    if count < total:
        check_stop(context, f"stopped at micrograph {count} of {total} while describing the domain")
