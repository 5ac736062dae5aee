"""One independent piece of a study, described so that another process or machine can do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from emgen.artifacts import Artifact

Status = Literal["done", "skipped", "failed", "interrupted"]
Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Material:
    """The micrographs of one seed, as paths: what the trainings see, what they are scored on, and the labels.

    Attributes
    ----------
    images, unseen: patterns, absolute. truth, training_truth, hand_labels: folders of label images by stem.
    phantoms: the labels are exact, since the micrographs are simulated.
    """

    images: tuple[str, ...]
    unseen: tuple[str, ...] = ()
    truth: str | None = None
    training_truth: str | None = None
    hand_labels: str | None = None
    phantoms: bool = False


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Plain values only: it is pickled, and sent to where it is done.

    Attributes
    ----------
    study: name of the study, whose ``perform`` does it. arm: what is compared, in the words of the report.
    factors: everything else in which trials differ. spec: the whole spec as a tree. settings: the block ``study``.
    folder: of its run. store: of the artifacts that all trials share. command: takes the study up again.
    optional: a missing weight or GPU skips it instead of failing the study.
    """

    study: str
    arm: str
    seed: int
    spec: Mapping[str, Any]
    settings: Mapping[str, Any]
    material: Material
    folder: str
    store: str
    command: str
    factors: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False

    @property
    def title(self) -> str:
        """For people: the arm, the seed, and what else tells it from others."""
        more = [f"{name} {value}" for name, value in self.numbers.items()]
        return ", ".join([self.arm, *more, f"seed {self.seed}"])

    @property
    def numbers(self) -> dict[str, int | float]:
        """The factors that are numbers: what a title, a folder and a table can show."""
        return {name: value for name, value in self.factors.items() if isinstance(value, int | float)}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial found.

    Attributes
    ----------
    values: scores by name. curves: name to (step, value) points. tables: name to rows, for a figure of the study.
    labels: the folder of the artifact that holds the segmentations of the unseen micrographs (see ``evaluation``).
    """

    values: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, list[Point]] = field(default_factory=dict)
    tables: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    labels: str | None = None
    pictures: str | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A trial and what became of it; ``reason`` says why it was skipped or failed."""

    trial: Trial
    status: Status
    outcome: Outcome = field(default_factory=Outcome)
    reason: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        trial = {name: getattr(self.trial, name) for name in ("study", "arm", "seed", "factors", "folder")}
        rest = {"status": self.status, "reason": self.reason, "seconds": round(self.seconds, 1)}
        return {**trial, **rest, "outcome": self.outcome.to_dict()}


def folder_of(artifact: Artifact) -> str:
    return str(artifact.folder.resolve())
