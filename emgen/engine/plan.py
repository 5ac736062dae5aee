"""What is known before a run: its steps, the room it needs, and what would make no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emgen.engine.device import pick_device
from emgen.errors import SpecError
from emgen.registration import MetricPlugin

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.spec import Spec

STEPS = (
    "micrographs",
    "examination",
    "rough_segmenter",
    "split",
    "leaks",
    "mask_sampler",
    "morphology_gan",
    "masks",
    "first_generation",
    "fidelity of rough masks",
    "gate first_generation",
    "contrast_gan",
    "second_generation",
    "gate second_generation",
    "downstream_task",
    "masks of response",
    "first_generation of response",
    "second_generation of response",
    "gate of response",
    "response of the model",
    "domain of the model",
)
"""Labels of the steps of every run, in order; those of the scores follow from the metrics."""
CHECKPOINTS_BYTES = 500 * 2**20


def expected_steps(spec: Spec) -> tuple[str, ...]:
    """``STEPS`` without what the spec switches off."""
    left_out: tuple[str, ...] = ("gate ", "fidelity ") if spec.gate.mode == "off" else ()
    left_out += () if spec.virtual.response else ("masks of ", "first_generation of ", "second_generation of ")
    left_out += () if spec.virtual.response else ("gate of ", "response ")
    left_out += ("examination", "leaks") if spec.data.doctor == "off" else ()
    return tuple(label for label in STEPS if not label.startswith(left_out))


def check_plan(spec: Spec, host: Host) -> None:
    """Raises for what would stop the run after hours: missing weights, broken plugins, meaningless scores.

    The micrographs are checked by the run's first step, which keeps what it finds.
    """
    from emgen.spec.check import check_spec

    check_spec(spec, host, pick_device, images=False, implementations=True).require()
    if spec.split.held_out == 0:
        for index, value in enumerate(spec.metrics):
            _refuse_paired(f"metrics.{index}", host.find("metric", value.uses).plugin)


def needed_bytes(spec: Spec) -> int:
    """A generous guess of what a run writes besides the micrographs: five virtual stacks a round, and the checkpoints.

    With labelled micrographs a training set more, and one for each group that is kept apart.
    """
    mixed = spec.rounds + spec.labelled.folds if spec.labelled else 0
    return (5 * spec.rounds + mixed) * spec.virtual.images * spec.data.crop**2 * 4 + CHECKPOINTS_BYTES


def _refuse_paired(where: str, plugin: object) -> None:
    if isinstance(plugin, MetricPlugin) and plugin.needs == "paired":
        raise SpecError(
            f'{where}: metric "{plugin.name}" compares held-out images with those generated from their masks, but '
            "split.held_out is 0. Set it to 0.1, or take the metric out."
        )
