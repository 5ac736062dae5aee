"""What the states of either GAN are tried on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emgen.artifacts import Artifact
from emgen.engine.bench import Bench
from emgen.engine.handles import Generation, Parts
from emgen.engine.panel import Trial
from emgen.engine.steps_virtual import sample_masks

if TYPE_CHECKING:
    from emgen.engine.run import Run

ENOUGH = 16
"""Held-out crops that can stand for the stack."""


def trial_of_morphology(run: Run, parts: Parts, sampler: Artifact | None, label: str) -> Trial | None:
    """New masks of the sampler, and subset 2, which this GAN does not see. ``None`` where the spec wants no ranking."""
    spec = run.bench.spec.checkpoints
    if not spec.candidates:
        return None
    sampler = sampler or run.fit_sampler(parts, label=f"mask_sampler of {label}")
    masks = sample_masks(run.bench, sampler, n=spec.probes, label=f"probes of {label}", slot="probes")
    rough = {"rough_images": parts.subset1_images, "rough_labels": parts.subset1_labels}
    return Trial(probes=masks, labels=masks, real=parts.subset2_images, **rough)


def trial_of_contrast(bench: Bench, first: Generation, parts: Parts) -> Trial | None:
    """The images that it will translate, and crops that it has not seen where enough are held out."""
    if not bench.spec.checkpoints.candidates:
        return None
    held_out = len(parts.held_out_images) >= ENOUGH
    real = parts.held_out_images if held_out else parts.subset2_images
    rough_images, rough_labels = (
        (parts.held_out_images, parts.held_out_labels) if held_out else (parts.subset1_images, parts.subset1_labels)
    )
    return Trial(
        probes=first.images, labels=first.labels, real=real, rough_images=rough_images, rough_labels=rough_labels
    )
