"""The frozen objects that registration hooks return. This module imports no torch, and neither may a ``plugin.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from emgen.terms import Need, Polarity

Kind = Literal[
    "modality",
    "reader",
    "rough_segmenter",
    "mask_sampler",
    "morphology_gan",
    "contrast_gan",
    "downstream_task",
    "metric",
]
"""A kind of plugin; for stages also the name of the slot in a spec."""


AUGMENTATIONS = ("flip", "rotate90", "shift-scale-rotate", "gauss-noise")
"""Changes of a training image that a modality may rule out: some kinds of image have an up, or a direction of scan."""


class StageConfig(BaseModel):
    """Base of every plugin's settings. Defaults are the paper's values where the paper gives one.

    ``presets`` maps a preset of the spec (``quick``, ``paper``) to the fields it changes in this plugin; what a user
    writes goes over it. A field that cannot change a result (workers, log interval) is declared with
    ``Field(json_schema_extra={"cache": False})`` and stays out of the cache key.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlugin:
    """One implementation of a stage.

    Attributes
    ----------
    name: kebab-case, what a spec writes.
    config: the settings, a ``StageConfig``.
    create: ``"package.module:Class"``, imported when first used, called with ``(config, context)``.
    summary: one line for ``emgen plugins list`` and the schema.
    revision: raised when outputs change for the same input; part of the cache key.
    preflight: ``"package.module:function"`` called with ``(config, device)`` by ``emgen validate`` and before a run;
        raises ``emgen.errors.PreflightError`` (missing weights, missing GPU) with the way out.
    simulated_weights: true when it brings weights trained on simulated images. ``"config"``: depends on its settings,
        then the config has a method ``uses_simulated_weights() -> bool``.
    pretrained: ``"package:folder"`` of a model folder that the package ships; what the word ``pretrained`` means in a
        command.
    """

    name: str
    config: type[StageConfig]
    create: str
    summary: str
    revision: int = 1
    preflight: str | None = None
    simulated_weights: bool | Literal["config"] = False
    pretrained: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPlugin(StagePlugin):
    """A score.

    Attributes
    ----------
    needs: what it compares.
    downloads: names a weight that is fetched when first used.
    headline: the key of its main score in what ``compute`` returns; beside it may stand ``<headline>_low`` and
        ``<headline>_high``, a 95 % interval. ``None``: no score of it ranks anything.
    better: which way that score is better; given with ``headline``, and only then.
    """

    needs: Need
    downloads: str | None = None
    headline: str | None = None
    better: Literal["lower", "higher"] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """How files of a format begin: ``magic`` stands ``at`` so many bytes from the start.

    ``what`` is for an error text about a file with another suffix: ``"a PNG picture"``.
    """

    magic: bytes
    what: str
    at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPlugin:
    """A file format.

    Several readers may claim one suffix: those that come with emgen are tried first, then the others by name, until one
    opens the file. One that raises ``BadImageError`` has understood it, and no further one is tried.

    Attributes
    ----------
    suffixes: lower case with the dot, e.g. ``(".tif", ".tiff")``. A folder named so counts as one input.
    create: ``"package.module:Class"``, called with no argument, or with the settings if it has any; implements
        ``emgen.stages.Reader``.
    config: its settings, a ``StageConfig`` with a default for each; given in ``data.reader`` of a spec.
    signatures: how its files begin, so that a file with a wrong suffix can be told what it is.
    suggests: suffix -> distribution whose reader opens such files; said where no installed reader does.
    """

    name: str
    suffixes: tuple[str, ...]
    create: str
    summary: str
    config: type[StageConfig] | None = None
    signatures: tuple[Signature, ...] = ()
    suggests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityPlugin:
    """A way of imaging.

    Attributes
    ----------
    polarity: particles are bright or dark on their surroundings.
    normalise: ``"package.module:function"``: any-dtype (H, W) -> float32 (H, W) in [0, 1], robust to hot pixels.
    augmentations: the changes that leave such an image plausible, of ``flip``, ``rotate90``, ``shift-scale-rotate``,
        ``gauss-noise``. A stage hears of them (``Context.augmentations``) and makes no others of these.
    defaults: a spec fragment for the other slots.
    """

    name: str
    polarity: Polarity
    normalise: str
    augmentations: tuple[str, ...] = AUGMENTATIONS
    defaults: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""


AnyPlugin = StagePlugin | MetricPlugin | ReaderPlugin | ModalityPlugin
