"""A run folder as the report sees it: whatever is there, and ``Missing`` for what is not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emgen.artifacts import Artifact, ZarrStack, open_stack


class Missing(Exception):
    """A piece that the run has not made (yet); the text says which."""


@dataclass(frozen=True)
class Step:
    """One step of the run: its entry in the run's manifest, and its artifact."""

    entry: Mapping[str, Any]
    artifact: Artifact

    @property
    def label(self) -> str:
        return str(self.entry.get("label") or self.slot)

    @property
    def slot(self) -> str:
        return str(self.entry.get("slot", ""))

    @property
    def recipe(self) -> Mapping[str, Any]:
        recipe: Mapping[str, Any] = self.artifact.manifest.get("recipe", {})
        return recipe


@dataclass(frozen=True)
class RunFolder:
    """Reads only what lies in ``folder``, or in the store that its manifest points to."""

    folder: Path

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The run's own manifest; empty where it is missing or unreadable."""
        return _mapping(self.folder / "manifest.json")

    @cached_property
    def scores(self) -> Mapping[str, Any]:
        return _mapping(self.folder / "metrics.json")

    @cached_property
    def comparison(self) -> Mapping[str, Any]:
        return _mapping(self.folder / "comparison.json")

    @cached_property
    def rounds(self) -> Mapping[str, Any]:
        """The ledger; empty where the run has one round."""
        return _mapping(self.folder / "rounds.json")

    @cached_property
    def labelled_gain(self) -> dict[str, Any]:
        """What a few labelled micrographs gained; empty where there are none."""
        return dict(_mapping(self.folder / "labelled.json"))

    @cached_property
    def suffix(self) -> str:
        """Ends the labels of the steps of the round whose model the run keeps; empty for round 1."""
        accepted = self.rounds.get("accepted", 1)
        return f" (round {accepted})" if isinstance(accepted, int) and accepted > 1 else ""

    @cached_property
    def spec_text(self) -> str:
        path = self.folder / "spec.yaml"
        return path.read_text("utf-8") if path.is_file() else ""

    @cached_property
    def spec(self) -> Mapping[str, Any]:
        import yaml

        try:
            loaded = yaml.safe_load(self.spec_text)
        except yaml.YAMLError:
            return {}
        return loaded if isinstance(loaded, dict) else {}

    @cached_property
    def steps(self) -> list[Step]:
        """In the order in which they ran; those whose artifact is gone are left out."""
        entries = [entry for entry in self.manifest.get("steps", []) if isinstance(entry, dict)]
        steps = [Step(entry, Artifact(self.folder / str(entry.get("folder", "")))) for entry in entries]
        return [step for step in steps if _mapping(step.artifact.folder / "manifest.json").get("key")]

    def step(self, slot: str) -> Step:
        """The tandem's step in that slot, of the round that is kept, even where a run fills it several times.

        Raises ``Missing``.
        """
        wanted = [slot + self.suffix, slot]
        place = lambda step: wanted.index(step.label) if step.label in wanted else len(wanted)
        found = sorted((step for step in self.steps if step.slot == slot), key=place)
        if found:
            return found[0]
        raise Missing(f"the run has no finished step “{slot}”")

    def labelled(self, label: str) -> Step:
        """The step of that label, in the round that is kept where it was done in that. Raises ``Missing``."""
        try:
            return self.exactly(label + self.suffix)
        except Missing:
            return self.exactly(label)

    def exactly(self, label: str) -> Step:
        """The step of just that label, whatever round is kept. Raises ``Missing``."""
        for step in self.steps:
            if step.label == label:
                return step
        raise Missing(f"the run has no finished step “{label}”")

    def stack(self, slot: str, name: str) -> ZarrStack:
        """(N, H, W) of the first step of a slot. Raises ``Missing`` when it is not there or holds no image."""
        return stack_of(self.step(slot), name)

    def document(self, slot: str, name: str) -> Mapping[str, Any]:
        """A JSON file of a step. Raises ``Missing``."""
        found = _mapping(self.step(slot).artifact.folder / name)
        if not found:
            raise Missing(f"the step “{slot}” holds no {name}")
        return found


def stack_of(step: Step, name: str) -> ZarrStack:
    """(N, H, W) of a step. Raises ``Missing`` when it is not there or holds no image."""
    folder = step.artifact.folder / name
    if not (folder / "zarr.json").is_file():
        raise Missing(f"the step “{step.label}” holds no {name}")
    stack = open_stack(folder)
    if not len(stack):
        raise Missing(f"{name} of the step “{step.label}” is empty")
    return stack


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        loaded = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
