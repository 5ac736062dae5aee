"""What a study needs beside the spec of a run: the block ``study`` of the spec's file, or options of the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from emgen.errors import SpecError, listing
from emgen.spec import load_spec
from emgen.spec.merge import merge_trees
from emgen.spec.model import Part, Spec
from emgen.spec.overrides import apply_override, parse_override
from emgen.spec.read import read_document

if TYPE_CHECKING:
    from emgen.host import Host

PHANTOMS = "phantoms"
"""In the place of ``images``: the study makes phantom micrographs itself, another material for each seed."""
Tree = dict[str, Any]


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str | Path) else value


class PhantomSpec(Part):
    """The phantom micrographs of a study whose spec says ``images: phantoms``."""

    micrographs: int = Field(24, ge=2, description="micrographs to train on")
    unseen: int = Field(8, ge=1, description="micrographs of the same material to score on, which no training sees")
    side: int = Field(256, ge=48, description="height and width, px")
    diameter: float = Field(14.0, gt=2, description="median particle diameter, px")
    imaging: Literal["haadf-stem", "bf-tem"] | None = Field(
        None, description="what they look like; null: as the spec's modality says"
    )


class StudySpec(Part):
    """The block ``study``. Paths are relative to the spec's file.

    ``truth`` and ``hand_labels`` hold label images or masks named after the micrographs (``<stem>_labels``,
    ``<stem>_mask`` or ``<stem>``), as ``emgen evaluate`` takes them.
    """

    phantoms: PhantomSpec = Field(default_factory=PhantomSpec, description="used with `images: phantoms`")
    evaluate: Annotated[list[str], BeforeValidator(_texts)] = Field(
        default_factory=list,
        description="micrographs to score on; no training sees them, even where `images` names them",
    )
    truth: str | None = Field(None, description="folder of labels of `evaluate`, and of `images` where there are any")
    hand_labels: str | None = Field(None, description="folder of hand labels of `images`")
    hand_counts: list[Annotated[int, Field(ge=1)]] = Field(
        default_factory=lambda: [1, 3],
        description="baselines: numbers of hand-labelled micrographs to train on, beside all of them",
    )
    snapshots: int = Field(10, ge=1, le=100, description="points of the curves over the steps of a training")
    counts: list[float] = Field(
        default_factory=lambda: [0.125, 0.25, 0.5, 1.0],
        min_length=2,
        description="ablation: shares of subset 1 that the morphology GAN is trained on",
    )
    networks: dict[str, Any] = Field(
        default_factory=lambda: {
            name: {"architecture": key, "start_from": None}
            for name, key in (("UNet", "unet"), ("UNet++", "unet++"), ("DeepLabV3+", "deeplabv3+"))
        },
        min_length=2,
        description="architectures: title to `downstream_task`, or to the settings that it changes",
    )
    segmenters: dict[str, Any] = Field(
        default_factory=lambda: {
            "threshold": "threshold",
            "self-taught": "self-taught",
            "pretrained": {"uses": "npssegnet", "model": "pretrained-large"},
            "SAM": "sam",
        },
        description="rough: title to `rough_segmenter`",
    )
    degraded: list[Annotated[int, Field(ge=0, le=4)]] = Field(
        default_factory=lambda: [0, 1, 2, 3, 4],
        description="rough: steps in which exact truth is made worse; 0 is exact, 4 the worst",
    )
    source: str | Tree | None = Field(
        None, description="transfer: a model folder, a run folder, or the changes to this spec that make the source's"
    )


@dataclass(frozen=True)
class StudyFile:
    """A spec as a tree, still open to changes, and its block ``study``."""

    tree: Tree
    study: StudySpec
    base: Path
    name: str

    @property
    def on_phantoms(self) -> bool:
        return self.tree.get("images") in (PHANTOMS, [PHANTOMS])

    def spec(self, host: Host, changes: Mapping[str, Any]) -> Spec:
        """The spec with changes, validated."""
        return load_spec(merge_trees(self.tree, changes), host=host, base=self.base)

    def path(self, text: str) -> Path:
        return self.base / Path(text).expanduser()


def read_study(
    source: Path | str | Mapping[str, Any], overrides: Sequence[str] = (), study: Mapping[str, Any] | None = None
) -> StudyFile:
    """Reads a spec with an optional block ``study``.

    ``overrides``: as of ``emgen run``; those that begin with ``study.`` change the block. ``study`` goes over
    the block. Raises ``SpecError``.
    """
    document = read_document(source)
    tree = document.tree
    for override in map(parse_override, overrides):
        tree = apply_override(tree, override)
    block = {**(tree.pop("study", None) or {}), **(study or {})}
    try:
        settings = StudySpec.model_validate(block)
    except ValidationError as error:
        raise SpecError(f"{document.title}: {_explained(error)}") from None
    name = Path(source).stem if not isinstance(source, Mapping) else str(tree.get("name", "study"))
    return StudyFile(tree, settings, document.base, name)


def _explained(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(["study", *(str(part) for part in first["loc"])])
    return f"{field}: {first['msg']}. Fields of study: {listing(StudySpec.model_fields)}."
