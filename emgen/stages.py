"""The contract: what stands in each slot of the tandem, as Protocols.

Shape legend (suffixes of array names)
    N, M  images in a stack        H, W  height and width in pixels
    K     particles in an image    C     channels

Conventions every stage keeps
    image_*        float32 in [0, 1], greyscale
    label_*        int32 instances: 0 background, 1 … K particles; the mask is ``label > 0``
    probability_*  float32 in [0, 1], probability of "particle"

Stages take and give numpy. A *stack* is anything with ``len`` and integer or slice indexing that yields numpy (a Zarr
array does), so that no stage needs the whole data set in memory. Inputs are never modified. Same seed, same output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from emgen.terms import Need as Need
from emgen.terms import Polarity as Polarity
from emgen.terms import Precision as Precision

FloatArray = NDArray[np.float32]
LabelArray = NDArray[np.int32]


@runtime_checkable
class Stack(Protocol):
    """N arrays of one shape: ``len(stack)``, ``stack[i]`` (H, W), ``stack[i:j]`` (n, H, W), ``stack.shape``."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    @overload
    def __getitem__(self, index: int, /) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice, /) -> NDArray[Any]: ...


def _ignore(step: int, values: Mapping[str, float]) -> None:
    return None


def _never() -> bool:
    return False


def _keep_none(step: int, save: Callable[[Path], None]) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a stage may know about the run it works for. It carries no settings: those are the stage's own config.

    Attributes
    ----------
    seed: every random number of the stage derives from it.
    device: ``cpu`` or ``cuda``, as ``torch.device`` takes it.
    precision: of the arithmetic in training.
    polarity: particles are ``bright`` or ``dark`` on their surroundings, as the modality says.
    augmentations: the changes of ``emgen.registration.AUGMENTATIONS`` that leave such an image plausible, as the
        modality says; a training makes no other of these, whatever its settings name. ``None``: all of them do.
    scratch: a folder for checkpoints. It outlives an interruption: a stage that finds its own checkpoint there resumes.
        ``None``: keep nothing.
    total_steps: call ``plan(total)`` once the number of steps is known, for the ETA.
    log: ``log(step, values)``, values as plain floats (losses).
    should_stop: polled between steps; when true, write a checkpoint and raise ``emgen.errors.Interrupted``.
    snapshots: how many moments of the training are worth a look; ``snapshot_steps`` says which. 0: none.
    snapshot: call ``snapshot(step, save)`` after such a step, before the checkpoint of that step is written, with the
        number of steps done and what writes the stage, as it is now, as ``Trainable.save`` does. True asks the
        stage to end its training here, as if all steps were done. A resumed training may offer a step again. A stage
        that never calls it is judged by its last state alone.
    start_from: a folder that the same stage has saved; a training begins with its weights instead of new ones. A stage
        that cannot ignores it.
    rank, world: this process's number, from 0, and how many fit the stage at once. More than one only for a stage whose
        class says ``parallel``; of these the first alone writes, and its callbacks alone do anything.
    """

    seed: int = 0
    device: str = "cpu"
    precision: Precision = "float32"
    polarity: Polarity = "bright"
    augmentations: tuple[str, ...] | None = None
    scratch: Path | None = None
    plan: Callable[[int], None] = field(default=lambda total: None)
    log: Callable[[int, Mapping[str, float]], None] = field(default=_ignore)
    should_stop: Callable[[], bool] = field(default=_never)
    snapshots: int = 0
    snapshot: Callable[[int, Callable[[Path], None]], bool] = field(default=_keep_none)
    start_from: Path | None = None
    rank: int = 0
    world: int = 1


def snapshot_steps(total: int, count: int) -> list[int]:
    """``count`` evenly spaced numbers of steps, the last of them ``total``; fewer where there are fewer steps.

    >>> snapshot_steps(150, 4)
    [38, 75, 112, 150]
    """
    return sorted({round(total * part / count) for part in range(1, count + 1)} - {0})


class Trainable(Protocol):
    """Keeps its trained state in a folder: safetensors and JSON, never pickles. ``load`` restores equal outputs.

    Where a run has several processes, the first fits each stage, unless its class says ``parallel = True``: then all
    call ``fit`` at once, on the same stacks, and it is for the stage to divide the work and to end with one state in
    all (``emgen_torchkit.loop.train`` does). A setting named ``batch`` is what they divide evenly.
    """

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


class RoughSegmenter(Protocol):
    """Step 2: a rough mask for few micrographs. May miss particles, may be ragged; sizes should be about right.

    One that learns from the stack itself, with no label, is a ``Trainable`` as well and offers ``fit(micrographs,
    context)``: called once, before ``segment``, with every micrograph, (H, W) float32 in [0, 1] of any size. What it
    saves travels with the model that is trained on its masks.

    One that holds a network may offer ``export_onnx(folder)``: it writes there what its ``load(folder)`` takes in place
    of what ``save`` wrote, with networks as ONNX, so that ``emgen segment`` on an exported model needs no torch.
    """

    def segment(self, image_NHW: Stack) -> LabelArray:
        """(N, H, W) float32 in [0, 1] -> (N, H, W) int32 instances. Called with N = 1 for micrographs of mixed size."""
        ...


class MaskSampler(Protocol):
    """Step 4: random instance masks that look like those measured."""

    def fit(self, label_NHW: Stack) -> None:
        """Learn from (N, H, W) int32 rough instances. A sampler set by hand ignores them."""
        ...

    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        """(n, H, W) int32 instances."""
        ...

    def save(self, folder: Path) -> None: ...

    def load(self, folder: Path) -> None: ...


class MorphologyGan(Trainable, Protocol):
    """Step 3: learns mask -> image from pairs, then makes the 1st generation."""

    def fit(self, label_NHW: Stack, image_NHW: Stack, context: Context) -> None: ...

    def generate(self, label_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        """(N, H, W) int32 instances -> (N, H, W) float32 in [0, 1]."""
        ...


class ContrastGan(Trainable, Protocol):
    """Step 5: learns 1st generation -> real from unpaired images, then makes the 2nd generation."""

    def fit(self, source_NHW: Stack, target_MHW: Stack, context: Context) -> None: ...

    def translate(self, source_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        """(N, H, W) float32 in [0, 1] -> the same shape and range; every particle stays where its label is."""
        ...


class DownstreamTask(Trainable, Protocol):
    """Step 6: the model the user keeps, trained on virtual images and their exact labels.

    It may offer ``predict_labels(image_NHW) -> label_NHW`` where it finds instances itself; otherwise
    ``emgen.particles.split_instances`` does.

    It may offer ``accelerate(precision)``, called once before many images are predicted: ``auto`` allows shorter
    arithmetic where the processor has it, ``float32`` does not.

    It may have ``largest_tile``, the longest side in px that ``predict`` takes in one piece (a multiple of 32; by
    default ``emgen.data.tiling.LARGEST_TILE``): what a small network has memory for.

    It may offer ``export_onnx(path)``, without which ``emgen export`` refuses its models. It writes one file, weights
    inside, with one input ``image`` and one output ``probability``, both (N, 1, H, W) float32 with N, H and W free.
    Everything that ``predict`` does is in the graph (scaling, padding, inversion): the same probabilities to 1e-4.
    """

    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None: ...

    def predict(self, image_NHW: Stack) -> FloatArray:
        """(N, H, W) float32 images at the working scale -> (N, H, W) float32 probability of particle."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricContext:
    """What a metric may use beside its two stacks.

    ``features(name, stack)`` computes deep features once per stack and shares them between metrics; name is that of a
    feature extractor (``emgen_metrics.features``).

    ``groups``: for each image of ``b`` the number of the micrograph that it was cut from, (M,); images of one are not
    independent. ``None``: unknown, then each image counts as one of its own.
    """

    seed: int = 0
    device: str = "cpu"
    features: Callable[[str, Stack], NDArray[Any]] | None = None
    groups: Sequence[int] | None = None


class Metric(Protocol):
    """Step 7. ``needs`` stands on the plugin, so that the engine refuses a meaningless score before training."""

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> Mapping[str, float | str]:
        """Scores by name. generated-vs-real: a generated, b real; paired: a generated, b real;
        prediction: a predicted labels, b true labels. Texts are ``features``, which features were used, and
        ``verdict``, what the score proves. Names with an ending tell of another: ``_low`` and ``_high`` (95 %
        interval), ``_floor`` (noise floor), ``_p``, ``_sd``."""
        ...


class Reader(Protocol):
    """Opens one file. Lazy: ``open`` reads headers, an item of what it returns reads one frame.

    ``emgen.data.frames.Frames`` is such a sequence, and ``emgen.data.units.pixel_size`` makes nanometres of what a
    file states."""

    def open(self, path: Path) -> Sequence[Any]:
        """The file's micrographs, as ``emgen.data.Micrograph``.

        Raises for a file that is cut off or something else; ``emgen.data`` makes every exception an
        ``UnreadableFileError`` that names the file. ``BadImageError`` for one that is whole but holds no micrograph (a
        spectrum, a diffraction pattern, 4-D data, frames of different size)."""
        ...
