"""The implementations behind ``emgen.testing.fakes``: honest to the contract, instant, numpy (and scipy for labels).

Shapes as in ``emgen.stages``. What they learn is a handful of moments, kept as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.errors import Interrupted, NoParticlesError, UnreadableFileError
from emgen.stages import Context, FloatArray, LabelArray, MetricContext, Stack, snapshot_steps
from emgen.testing.fakes import ContrastConfig, MasksConfig, MetricConfig, SegmenterConfig, TaskConfig, TrainedConfig

Moments = dict[str, float]


def normalise(image_HW: NDArray[Any]) -> FloatArray:
    """Any dtype (H, W) -> float32 in [0, 1]; percentiles 0.5 and 99.5, so that hot pixels do not matter."""
    low, high = np.percentile(image_HW, (0.5, 99.5))
    scaled = (np.asarray(image_HW, np.float64) - low) / max(high - low, 1e-12)
    unit_HW: FloatArray = np.clip(scaled, 0, 1).astype(np.float32)
    return unit_HW


class NpyReader:
    """``.npy`` files of one (H, W) or several (N, H, W) micrographs; the pixel size is unknown."""

    def open(self, path: Path) -> Sequence[Any]:
        from emgen.data import Micrograph, frame_name

        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise UnreadableFileError(f"{path}: not a readable .npy file: {error}") from error
        if array.ndim not in (2, 3):
            raise UnreadableFileError(f"{path}: has {array.ndim} axes; (H, W) or (N, H, W) is wanted")
        images = array[None] if array.ndim == 2 else array
        return [
            Micrograph(image_HW=image, name=frame_name(path, i, len(images)), source=path)
            for i, image in enumerate(images)
        ]


def otsu(image_HW: NDArray[Any]) -> float:
    """The threshold in [0, 1] that maximises the variance between the two classes."""
    counts, edges = np.histogram(image_HW, bins=256, range=(0.0, 1.0))
    weight = np.cumsum(counts) / counts.sum()
    mean = np.cumsum(counts * (edges[:-1] + edges[1:]) / 2) / counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * weight - mean) ** 2 / (weight * (1 - weight))
    return float(edges[1 + int(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))])


class OtsuSegmenter:
    """Rough segmenter: threshold, connected components."""

    def __init__(self, config: SegmenterConfig, context: Context | None = None) -> None:
        self.min_area = config.min_area
        self.dark = context is not None and context.polarity == "dark"

    def segment(self, image_NHW: Stack) -> LabelArray:
        return np.stack([self._one(image_NHW[i]) for i in range(len(image_NHW))])

    def _one(self, image_HW: NDArray[Any]) -> LabelArray:
        from scipy import ndimage

        image = 1 - image_HW if self.dark else image_HW
        label_HW, _ = ndimage.label(image > otsu(image))
        areas = np.bincount(label_HW.ravel())
        kept = areas >= self.min_area
        kept[0] = False
        relabelled_HW: LabelArray = np.where(kept, np.cumsum(kept), 0)[label_HW].astype(np.int32)
        return relabelled_HW


class _Kept:
    """What was learnt, as numbers in ``fake.json``."""

    def __init__(self) -> None:
        self.moments: Moments = {}

    def save(self, folder: Path) -> None:
        (folder / "fake.json").write_text(json.dumps(self.moments))

    def load(self, folder: Path) -> None:
        self.moments = json.loads((folder / "fake.json").read_text())

    def _train(self, steps: int, context: Context, step: Callable[[int], Mapping[str, float]]) -> None:
        """Call ``step(i)``, which updates ``moments``; stop and resume as ``Context`` asks."""
        checkpoint = None if context.scratch is None else context.scratch / "fake-checkpoint.json"
        start = 0
        if context.start_from is not None:
            self.load(context.start_from)
        if checkpoint is not None and checkpoint.exists():
            start, self.moments = json.loads(checkpoint.read_text())
        context.plan(steps)
        moments = snapshot_steps(steps, context.snapshots)
        for index in range(start, steps):
            if context.should_stop():
                if checkpoint is not None:
                    checkpoint.write_text(json.dumps((index, self.moments)))
                raise Interrupted(f"stopped at step {index} of {steps}")
            context.log(index, step(index))
            if index + 1 in moments and context.snapshot(index + 1, self.save):
                return

    def _average(self, index: int, values: Mapping[str, float]) -> None:
        """Running mean over steps 0 … index of each value."""
        for name, value in values.items():
            before = self.moments.get(name, 0.0)
            self.moments[name] = before + (value - before) / (index + 1)


class DiscSampler(_Kept):
    """Mask sampler: discs of the median diameter, up to the mean coverage, none touching another."""

    def __init__(self, config: MasksConfig, context: Context | None = None) -> None:
        super().__init__()

    def fit(self, label_NHW: Stack) -> None:
        areas: list[int] = []
        pixels = 0
        for i in range(len(label_NHW)):
            areas += [int(area) for area in np.bincount(label_NHW[i].ravel())[1:] if area]
            pixels += label_NHW[i].size
        if not areas:
            raise NoParticlesError("the labels hold no particle, so no mask can be sampled; check the rough segmenter")
        self.moments = {"diameter": float(np.sqrt(4 * np.median(areas) / np.pi)), "coverage": sum(areas) / pixels}

    def sample(self, n: int, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        return np.stack([self._one(shape_HW, rng) for _ in range(n)])

    def _one(self, shape_HW: tuple[int, int], rng: np.random.Generator) -> LabelArray:
        radius = max(min(self.moments["diameter"] / 2, min(shape_HW) / 4), 1.0)
        wanted = max(1, round(self.moments["coverage"] * shape_HW[0] * shape_HW[1] / (np.pi * radius**2)))
        rows, columns = np.ogrid[: shape_HW[0], : shape_HW[1]]
        label_HW = np.zeros(shape_HW, np.int32)
        count = 0
        for _ in range(20 * wanted):
            y, x = rng.uniform(radius, np.array(shape_HW) - radius)
            squared = (rows - y) ** 2 + (columns - x) ** 2
            if count < wanted and not label_HW[squared <= (radius + 1.5) ** 2].any():
                count += 1
                label_HW[squared <= radius**2] = count
        return label_HW


def _inside_and_outside(image_HW: NDArray[Any], label_HW: NDArray[Any]) -> Moments:
    """Mean of particles and of background, noise of the background; an image without one of them gives the other's."""
    mask_HW = label_HW > 0
    inside = image_HW[mask_HW] if mask_HW.any() else image_HW
    outside = image_HW[~mask_HW] if not mask_HW.all() else image_HW
    return {"inside": float(inside.mean()), "outside": float(outside.mean()), "noise": float(outside.std())}


class Painter(_Kept):
    """Morphology GAN: paints particles and background with their mean intensities, over noise."""

    def __init__(self, config: TrainedConfig, context: Context | None = None) -> None:
        super().__init__()
        self.steps = config.steps

    def fit(self, label_NHW: Stack, image_NHW: Stack, context: Context) -> None:
        def step(index: int) -> Moments:
            i = index % len(label_NHW)
            seen = _inside_and_outside(image_NHW[i], label_NHW[i])
            loss = abs(seen["inside"] - self.moments.get("inside", 0.0))
            self._average(index, seen)
            return {"loss": loss}

        self._train(self.steps, context, step)

    def generate(self, label_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        return np.stack([self._one(label_NHW[i], rng) for i in range(len(label_NHW))])

    def _one(self, label_HW: NDArray[Any], rng: np.random.Generator) -> FloatArray:
        clean = np.where(label_HW > 0, self.moments["inside"], self.moments["outside"])
        return np.clip(rng.normal(clean, self.moments["noise"]), 0, 1).astype(np.float32)


class MomentMatcher(_Kept):
    """Contrast GAN: the gain and offset that give the source the target's mean and standard deviation."""

    def __init__(self, config: ContrastConfig, context: Context | None = None) -> None:
        super().__init__()
        self.steps = config.steps

    def fit(self, source_NHW: Stack, target_MHW: Stack, context: Context) -> None:
        def step(index: int) -> Moments:
            source, target = source_NHW[index % len(source_NHW)], target_MHW[index % len(target_MHW)]
            seen = {"source": source.mean(), "target": target.mean(), "spread": source.std(), "wanted": target.std()}
            self._average(index, {name: float(value) for name, value in seen.items()})
            return {"loss": abs(self.moments["source"] - self.moments["target"])}

        self._train(self.steps, context, step)

    def translate(self, source_NHW: Stack, rng: np.random.Generator) -> FloatArray:
        learnt = self.moments
        gain = learnt["wanted"] / max(learnt["spread"], 1e-6)
        moved = (np.stack([source_NHW[i] for i in range(len(source_NHW))]) - learnt["source"]) * gain
        return np.clip(moved + learnt["target"], 0, 1).astype(np.float32)


class LogisticThreshold(_Kept):
    """Downstream task: a logistic curve over the intensity, centred between background and particles."""

    def __init__(self, config: TaskConfig, context: Context | None = None) -> None:
        super().__init__()
        self.steps, self.sharpness = config.steps, config.sharpness

    def fit(self, image_NHW: Stack, label_NHW: Stack, context: Context) -> None:
        def step(index: int) -> Moments:
            i = index % len(image_NHW)
            self._average(index, _inside_and_outside(image_NHW[i], label_NHW[i]))
            wrong = (self._one(image_NHW[i]) > 0.5) != (label_NHW[i] > 0)
            return {"loss": float(wrong.mean())}

        self._train(self.steps, context, step)

    def predict(self, image_NHW: Stack) -> FloatArray:
        return np.stack([self._one(image_NHW[i]) for i in range(len(image_NHW))])

    def _one(self, image_HW: NDArray[Any]) -> FloatArray:
        inside, outside = self.moments["inside"], self.moments["outside"]
        contrast = inside - outside if abs(inside - outside) > 1e-6 else 1e-6
        position = (image_HW - (inside + outside) / 2) / contrast
        return (1 / (1 + np.exp(-np.clip(self.sharpness * position, -50, 50)))).astype(np.float32)


class MeanDistance:
    """Metric: |mean(a) - mean(b)|."""

    def __init__(self, config: MetricConfig, context: MetricContext | None = None) -> None:
        pass

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        means = [float(np.mean([stack[i].mean() for i in range(len(stack))])) for stack in (a, b)]
        return {"mean-distance": abs(means[0] - means[1])}


class MaskOverlap:
    """Metric: intersection over union of the masks of predicted (a) and true (b) labels; 1 where both are empty."""

    def __init__(self, config: MetricConfig, context: MetricContext | None = None) -> None:
        pass

    def compute(self, a: Stack, b: Stack, context: MetricContext) -> dict[str, float | str]:
        pairs = [(a[i] > 0, b[i] > 0) for i in range(len(a))]
        union = sum(int((p | t).sum()) for p, t in pairs)
        both = sum(int((p & t).sum()) for p, t in pairs)
        return {"mask-iou": both / union if union else 1.0}
