"""The spec of a run: one frozen pydantic model, its slots typed by what is installed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, create_model

from emgen.spec.slots import SLOTS, Slot, SlotOf, refused, unknown

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.registration import Kind


class Part(BaseModel):
    """Base of the spec and its parts."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _share(value: Any) -> Any:
    """A fraction or a number; a plain union would complain twice."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("should be a fraction such as 0.3 or a number of micrographs such as 8")
    if isinstance(value, int) and value >= 1:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise ValueError("should be a fraction above 0 and below 1, or a whole number of micrographs from 1")


def _off(value: Any) -> Any:
    """YAML reads an unquoted ``off`` as false."""
    return "off" if value is False else value


class DataSpec(Part):
    """How micrographs become training crops."""

    pixel_size_nm: float | None = Field(None, gt=0, description="side of a pixel in nm; null takes what the files say")
    reader: Slot | None = Field(
        None, description="what reads the micrographs, with its settings; null: by suffix, emgen's own readers first"
    )
    crop: int = Field(
        128,
        ge=32,
        multiple_of=32,
        description="side of a training crop, pixels at the working scale; a multiple of 32",
    )
    working_diameter: float = Field(
        14.0, gt=2, le=256, description="particle diameter in pixels at which networks are trained: the working scale"
    )
    scale: Literal["per-micrograph", "stack", "native"] = Field(
        "per-micrograph",
        description="resize each micrograph to the working scale by its own particles, all by the stack's, or none",
    )
    crops_per_micrograph: int = Field(40, ge=1, description="at most so many crops of one micrograph")
    polarity_check: bool = Field(
        True,
        description="compare rough masks and image: are the particles bright or dark, as the modality says?",
    )
    doctor: Annotated[Literal["warn", "strict", "off"], BeforeValidator(_off)] = Field(
        "warn",
        description="examine the stack first (duplicates, data bars, clipped or odd micrographs); warn: say so in the "
        "report; strict: stop on a warning",
    )


class SplitSpec(Part):
    """Which part of the stack is for what. The parts never overlap."""

    subset1: Annotated[int | float, BeforeValidator(_share)] = Field(
        0.3, description="for the rough masks and the morphology GAN: a fraction, or a number of micrographs"
    )
    held_out: float = Field(0.1, ge=0, lt=0.9, description="fraction that no network sees, for the paired scores")
    by: Literal["auto", "micrograph", "region"] = Field(
        "auto",
        description="whole micrographs, or regions of each; auto: regions where micrographs are few or large",
    )
    guard: int = Field(16, ge=0, description="pixels at the working scale left unused between regions")


class VirtualSpec(Part):
    """The virtual data set."""

    images: int = Field(400, ge=4, description="number of virtual images, each with its exact mask")
    response: int = Field(
        1000,
        ge=0,
        description="about so many particles of further virtual images tell what the model does to sizes, for the "
        "corrections of size distributions; 0: not measured",
    )


class GateSpec(Part):
    """What becomes of virtual images that do not show what their labels say."""

    mode: Annotated[Literal["off", "report", "quarantine", "correct"], BeforeValidator(_off)] = Field(
        "correct",
        description="correct: mend the labels, leave out images that show particles without one; quarantine: leave out "
        "every image with too many faults; report: only count; off: no check",
    )
    tolerated: float = Field(
        0.15, ge=0, le=1, description="share of particles at fault that an image may hold; in correct, after correction"
    )
    least_kept: float = Field(
        0.5, ge=0, le=1, description="share of the images that is kept at least, the best ones, whatever they show"
    )
    chance: float = Field(
        0.03,
        gt=0,
        lt=0.5,
        description="a label shows no particle if so many places of bare background look as much like one",
    )
    shift: float = Field(0.15, gt=0, lt=1, description="how far a particle may lie beside its label, in its diameters")


def _text_or_list(value: Any) -> Any:
    return [value] if isinstance(value, str | Path | dict) else value


def _each_once(values: list[Slot]) -> list[Slot]:
    """Scores are kept by the metric's name."""
    twice = [name for name, count in Counter(v.uses for v in values).items() if count > 1]
    if twice:
        raise ValueError(f'"{twice[0]}" is listed twice; scores are kept by name. Remove one.')
    return values


class CheckpointSpec(Part):
    """Which state of each GAN's training is kept: states on the way are ranked without labels."""

    candidates: int = Field(
        4, ge=0, le=100, description="states on the way to rank, evenly spaced, the last included; 0 keeps the last"
    )
    by: Annotated[list[Slot], BeforeValidator(_text_or_list), AfterValidator(_each_once)] = Field(
        default_factory=list,
        description="metrics of sets of images to rank by; empty: all that need no weights",
    )
    sizes: bool = Field(True, description="rank by the sizes, too, that the rough segmenter finds in them")
    probes: int = Field(32, ge=8, description="images made by each state, and at most twice as many real crops")
    patience: int | None = Field(
        2, ge=1, description="end a training once so many states in a row are clearly no better; null: never"
    )
    keep: bool = Field(False, description="keep the weights of all states, not only of the one chosen")


def _none_or_several(value: int) -> int:
    if value == 1:
        raise ValueError("should be 0, or 2 and more: what is kept apart in one group leaves nothing to train on")
    return value


class LabelledSpec(Part):
    """A few labelled micrographs, mixed into the virtual data set."""

    images: Annotated[list[str], BeforeValidator(_text_or_list)] = Field(
        min_length=1, description="labelled micrographs: globs, folders or files, relative to the spec file"
    )
    masks: str | None = Field(
        None,
        description="folder or glob of their masks, `<stem>_labels` or `<stem>_mask`; null: beside the micrographs",
    )
    share: float = Field(
        0.25, gt=0, le=0.9, description="share of crops of labelled micrographs among the training images"
    )
    folds: Annotated[int, AfterValidator(_none_or_several)] = Field(
        2,
        ge=0,
        le=10,
        description="groups of labelled micrographs kept apart in turn to measure the gain, a training each; 0: none",
    )


class Spec(Part):
    """A run. Built by ``load_spec``, never changed; ``load_spec(spec.to_dict(), overrides, base=spec.base)`` varies it.

    ``base`` is the folder where relative image patterns start.
    """

    version: Literal[1] = Field(1, description="version of the spec's format")
    name: str = Field("run", min_length=1, description="a title, for the report")
    images: Annotated[list[str], BeforeValidator(_text_or_list)] = Field(
        min_length=1,
        description="micrographs: globs, folders or files, relative to the spec file",
        examples=["micrographs/*.tif"],
    )
    modality: str = Field(description="how the micrographs were taken: polarity, normalisation, defaults of the stages")
    preset: Literal["quick", "paper"] = Field(
        "quick", description="quick: two CPU cores, no download; paper: the published settings, for a GPU"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="every random number derives from it")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto takes a GPU where there is one")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="of the arithmetic in training; auto: bfloat16 where the processor computes it natively, "
        "else float32 on a CPU, float16 on a GPU",
    )
    data: DataSpec = Field(default_factory=DataSpec, description="how micrographs become training crops")
    split: SplitSpec = Field(default_factory=SplitSpec, description="which part of the stack is for what")
    virtual: VirtualSpec = Field(default_factory=VirtualSpec, description="the virtual data set")
    gate: GateSpec = Field(
        default_factory=GateSpec, description="what becomes of virtual images that do not show what their labels say"
    )
    checkpoints: CheckpointSpec = Field(
        default_factory=CheckpointSpec, description="which state of each GAN's training is kept"
    )
    rounds: int = Field(
        1, ge=1, le=10, description="so often the tandem runs, the model of a round in place of the rough segmenter"
    )
    warm_start: bool = Field(
        True, description="from round 2 on the downstream task trains on from the weights of the round before"
    )
    labelled: LabelledSpec | None = Field(
        None, description="a few labelled micrographs to add to the virtual data set, and what they gain"
    )
    allow_simulated_weights: bool = Field(
        True, description="false refuses plugins that bring weights trained on simulated images"
    )
    rough_segmenter: Slot = Field(description="step 2: rough masks of subset 1")
    mask_sampler: Slot = Field(description="step 4: random masks that look like the rough ones")
    morphology_gan: Slot = Field(description="step 3: mask to image, learnt from subset 1")
    contrast_gan: Slot = Field(description="step 5: 1st generation to real, learnt from subset 2")
    downstream_task: Slot = Field(description="step 6: the model you keep")
    metrics: list[Slot] = Field(default_factory=list, description="step 7: scores of the generated images")

    _base: Path = PrivateAttr(default_factory=Path.cwd)

    def model_post_init(self, context: Any, /) -> None:
        if isinstance(context, dict) and "base" in context:
            self._base = context["base"]

    @property
    def base(self) -> Path:
        """The folder where relative image patterns start, absolute."""
        return self._base

    def stages(self) -> dict[str, Slot]:
        """What stands in each slot, by slot name, in the order of the run; without the metrics."""
        return {slot: getattr(self, slot) for slot in SLOTS}

    def to_dict(self) -> dict[str, Any]:
        """Every setting as JSON values, image patterns absolute: the same run from anywhere."""
        whole = self.model_dump(mode="json")
        if self.labelled is not None:
            whole["labelled"] |= {"images": self._anchored(self.labelled.images)}
            if self.labelled.masks is not None:
                whole["labelled"] |= {"masks": self._anchored([self.labelled.masks])[0]}
        return {**whole, "images": self._anchored(self.images)}

    def _anchored(self, patterns: list[str]) -> list[str]:
        return [str(self.base / Path(os.path.expandvars(pattern)).expanduser()) for pattern in patterns]

    def to_yaml(self) -> str:
        """``to_dict`` as YAML. Loading it gives an equal spec."""
        import yaml

        return yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=110)


def build_spec_model(host: Host) -> type[Spec]:
    """``Spec`` with each slot typed by the plugins that are installed."""

    def installed(name: str) -> str:
        if problem := unknown(host, "modality", name):
            raise refused(problem)
        return name

    def like(name: str, kind: Kind) -> Any:
        return Field(description=Spec.model_fields[name].description, examples=list(host.plugins(kind)))

    slots: dict[str, Any] = {slot: (Annotated[Slot, SlotOf(slot, host)], like(slot, slot)) for slot in SLOTS}
    metrics = Annotated[
        list[Annotated[Slot, SlotOf("metric", host)]], BeforeValidator(_text_or_list), AfterValidator(_each_once)
    ]
    described: Any = Field(default_factory=list, description=Spec.model_fields["metrics"].description)
    by: Any = Field(default_factory=list, description=CheckpointSpec.model_fields["by"].description)
    checkpoints: Any = create_model(
        "CheckpointSpec", __base__=CheckpointSpec, __doc__=CheckpointSpec.__doc__, by=(metrics, by)
    )
    reader: Any = Annotated[Slot, SlotOf("reader", host)] | None
    unread: Any = Field(None, description=DataSpec.model_fields["reader"].description)
    data: Any = create_model("DataSpec", __base__=DataSpec, __doc__=DataSpec.__doc__, reader=(reader, unread))
    how: Any = Field(default_factory=data, description=Spec.model_fields["data"].description)
    which: Any = Field(default_factory=checkpoints, description=Spec.model_fields["checkpoints"].description)
    return create_model(
        "Spec",
        __base__=Spec,
        __doc__="A run of the tandem.",
        modality=(Annotated[str, AfterValidator(installed)], like("modality", "modality")),
        **slots,
        metrics=(metrics, described),
        checkpoints=(checkpoints, which),
        data=(data, how),
    )
