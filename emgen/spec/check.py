"""Everything that can be found wrong before a run, all at once: ``emgen validate`` and ``emgen run`` both call it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from emgen.errors import EmgenError, PreflightError, SpecError, listing
from emgen.registration import AnyPlugin, Kind, MetricPlugin, StageConfig, StagePlugin
from emgen.spec.check_images import check_images, notes_on
from emgen.spec.check_labelled import check_labelled
from emgen.spec.model import Spec
from emgen.spec.obstacles import Obstacle, attempt
from emgen.spec.slots import Slot, plugin_config

if TYPE_CHECKING:
    from emgen.data.stack import MicrographInfo
    from emgen.host import Host, Registered


@dataclass(frozen=True, slots=True)
class Checked:
    """A spec and what was found out about it.

    Attributes
    ----------
    micrographs: what was read of each; empty if they could not all be read, or were not to be.
    device: where the stages would run.
    notes: what a user should know though it stops nothing.
    obstacles: what stops the run.
    """

    spec: Spec
    micrographs: tuple[MicrographInfo, ...]
    device: str
    notes: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]

    def require(self) -> Checked:
        """Raise what stands in the way, all in one error; of the obstacles' type if they share one."""
        if not self.obstacles:
            return self
        kinds = {type(obstacle.error) for obstacle in self.obstacles}
        kind = kinds.pop() if len(kinds) == 1 else PreflightError
        lines = [str(obstacle) for obstacle in self.obstacles]
        several = f"{len(lines)} things keep this spec from running:"
        raise kind(lines[0] if len(lines) == 1 else "\n  ".join([several, *lines])) from self.obstacles[0].error


def check_spec(
    spec: Spec, host: Host, pick_device: Callable[[str], str], *, images: bool = True, implementations: bool = False
) -> Checked:
    """Look for everything that would stop a run of ``spec``. Raises nothing of its own: see ``Checked.require``.

    ``pick_device`` makes ``cpu`` or ``cuda`` of the spec's ``device``. ``images``: read every micrograph.
    ``implementations``: import every plugin's implementation as well (seconds), so that a broken one is found before
    the stages before it have run.
    """
    found: list[Obstacle] = []
    micrographs = check_images(spec, host, found) if images else ()
    check_labelled(spec, host, found)
    device = _device(spec, pick_device, found)
    for field, value, registered in _chosen(spec, host):
        here = _stage(field, value, registered, spec, device, implementations=implementations)
        if not here and not spec.allow_simulated_weights:
            refuse = partial(_refuse_simulated, value, registered, host)
            attempt(field, here, f"uses_simulated_weights() of {registered.label}", refuse)
        found += here
    notes = notes_on(micrographs) if micrographs else []
    if spec.preset == "paper" and device == "cpu":
        notes.append("preset paper takes days on a CPU; preset quick is made for one")
    return Checked(spec, micrographs, device, tuple(notes), tuple(found))


def uses_simulated_weights(plugin: StagePlugin, config: StageConfig) -> bool:
    """Whether this plugin, with these settings, brings weights that were trained on simulated images."""
    if plugin.simulated_weights == "config":
        return bool(config.uses_simulated_weights())  # type: ignore[attr-defined]  # the host checked that it is there
    return plugin.simulated_weights


def _chosen(spec: Spec, host: Host) -> Iterator[tuple[str, Slot, Registered]]:
    """Field, value and plugin of every slot, then of every metric, those that states are ranked by included."""
    for slot, value in spec.stages().items():
        yield slot, value, host.find(cast(Kind, slot), value.uses)  # slots are named like their kind
    for index, value in enumerate(spec.metrics):
        yield f"metrics.{index}", value, host.find("metric", value.uses)
    for index, value in enumerate(spec.checkpoints.by):
        yield f"checkpoints.by.{index}", value, host.find("metric", value.uses)


def _stage(
    field: str, value: Slot, registered: Registered, spec: Spec, device: str, *, implementations: bool
) -> list[Obstacle]:
    cannot = _cannot_rank if field.startswith("checkpoints.") else _meaningless
    if meaningless := cannot(registered.plugin, spec):
        return [Obstacle(field, SpecError(meaningless))]
    found: list[Obstacle] = []
    preflight = partial(registered.preflight, plugin_config(value), device)
    if attempt(field, found, f"the preflight of {registered.label}", preflight) and implementations:
        attempt(field, found, registered.label, registered.load)
    return found


def _meaningless(plugin: AnyPlugin, spec: Spec) -> str:
    """Why a metric can say nothing about this run; empty if it can."""
    if not isinstance(plugin, MetricPlugin):
        return ""
    if plugin.needs == "prediction":
        return (
            f'"{plugin.name}" compares predictions with true masks, and a run on unlabelled micrographs has none. '
            "Remove it; where you have true masks, `emgen evaluate` computes it."
        )
    if plugin.needs == "paired" and spec.split.held_out == 0:
        return (
            f'"{plugin.name}" compares held-out images with those generated from their masks, and split.held_out is 0. '
            "Set that to 0.1, or list the metrics without this one."
        )
    return ""


def _cannot_rank(plugin: AnyPlugin, spec: Spec) -> str:
    """Why states of a training cannot be ranked by a metric; empty if they can."""
    if not isinstance(plugin, MetricPlugin) or (plugin.needs == "generated-vs-real" and plugin.headline):
        return ""
    if plugin.needs != "generated-vs-real":
        return f'"{plugin.name}" compares {plugin.needs.replace("-", " ")}; states are ranked by sets of images alone.'
    return f'"{plugin.name}" names no main score (`headline`), so nothing can be ranked by it.'


def _refuse_simulated(value: Slot, registered: Registered, host: Host) -> None:
    plugin = cast(StagePlugin, registered.plugin)
    if not uses_simulated_weights(plugin, plugin_config(value)):
        return
    same_kind = (other.plugin for other in host.plugins(registered.kind).values())
    others = [p.name for p in same_kind if isinstance(p, StagePlugin) and p.simulated_weights is False]
    change = "change its settings, " if plugin.simulated_weights == "config" else ""
    raise PreflightError(
        f'"{plugin.name}" brings weights trained on simulated images, and allow_simulated_weights is false. '
        f"Set that to true, {change}or name one without such weights: {listing(others)}."
    )


def _device(spec: Spec, pick_device: Callable[[str], str], found: list[Obstacle]) -> str:
    try:
        return pick_device(spec.device)
    except EmgenError as error:
        found.append(Obstacle("device", PreflightError(str(error).removeprefix("device: "))))
        return "cpu"
