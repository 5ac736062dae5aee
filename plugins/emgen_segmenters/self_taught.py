"""The ``self-taught`` rough segmenter: a small network that learns on the stack itself, with no label and no weights.

It is shown the stack's own micrographs with particles drawn on them (``lessons``) and learns to find what was drawn.
Real particles are bright patches with sharp edges too, so it finds them as well, though in the first pass nothing tells
it that they are any: positives among the unlabelled (Elkan and Noto 2008). In the next passes those of which it is sure
are labelled in the lessons, those of which it is not are painted out, and it learns what real ones look like.

How large particles are is estimated too, unless it is said: a first network learns at several sizes of each
micrograph, and the sizes of what it is sure of say by how much each is resized for the passes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emgen.data.resize import resize_image, worthwhile
from emgen.data.tiling import LARGEST_TILE, OVERLAP, predict_tiled
from emgen.errors import ModelError, PreflightError
from emgen.multiscale import Rung, ladder, look, merge, segment_at_best_scale
from emgen.particles import equivalent_diameters, typical_diameter
from emgen.particles.paint import paint_out
from emgen.particles.profile import EdgeProfile, corrected, edge_profile
from emgen.stages import Context, FloatArray, LabelArray, Stack
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_segmenters.blobs import find_objects
from emgen_segmenters.config import SelfTaughtConfig, ThresholdConfig
from emgen_segmenters.lessons import lessons, without
from emgen_segmenters.outlines import outline

if TYPE_CHECKING:
    from emgen_npssegnet.task import NPsSegNet

WORKING_DIAMETER = 14.0
_MOST = 48
"""Micrographs that are learnt from, spread evenly over the stack."""
_FEW = 5
"""Sure particles below which a micrograph says too little about its scale."""
_FACTORS = (1 / 16, 4.0)
_GENTLER = 0.7
_FLATNESS = 0.2
_DOUBT, _RIM = 0.2, 2
"""Probability from which a place may hold a particle, and px around it that are painted out with it."""
_FALSE = 0.1
"""Share of false ones among the spots that count as obvious."""
Lessons = tuple[FloatArray, LabelArray]
_STATE, _DONE = "self_taught.json", "done"
_EXPORTED = "network.onnx"
_AUGMENT = ("flip", "rotate90", "gauss-noise", "contrast")


class SelfTaught:
    """Implements ``emgen.stages.RoughSegmenter`` with ``fit``: it must be taught before it segments."""

    def __init__(self, config: SelfTaughtConfig, context: Context) -> None:
        self.config, self.context = config, context
        self._bright = replace(context, polarity="bright")  # images are inverted where particles are dark
        self._nets: dict[str, Any] = {}  # `NPsSegNet`, or the same as `OnnxTask` in an exported model
        self._typical = WORKING_DIAMETER  # px of a micrograph as it is: where one shows too few particles to tell

    def fit(self, micrographs: Sequence[FloatArray], context: Context) -> None:
        """(H, W) float32 in [0, 1] each, of any sizes. Every pass is kept in ``context.scratch`` once it is done."""
        images = [self._seen(micrographs[int(i)]) for i in _spread(len(micrographs), _MOST)]
        context.plan(self.config.steps * self._trainings)
        plain = [without_obvious(image) for image in images]
        with tempfile.TemporaryDirectory() as spare:
            school = School(self.config, replace(context, polarity="bright"), context.scratch or Path(spare))
            if self.config.diameter is None:
                views = [resize_image(image, factor) for image in plain for factor in ladder(image.shape)]
                self._nets["finder"] = school.learn(views, None)
                self._typical = self._typical_of(images)
            factors = [self._factor(image) for image in images]
            resized, bare = (
                [resize_image(image, factor) for image, factor in zip(stack, factors, strict=True)]
                for stack in (images, plain)
            )
            self._nets["segmenter"] = self._passes(school, resized, bare)

    def segment(self, image_NHW: Stack) -> LabelArray:
        """(N, H, W) float32 in [0, 1] -> (N, H, W) int32 instances. Raises ``ModelError`` where nothing was learnt."""
        labels = np.zeros(tuple(image_NHW.shape), np.int32)
        for number in range(len(image_NHW)):
            image_HW = self._seen(image_NHW[number])
            factor = self._factor(image_HW)
            rung = look(self._probability("segmenter"), resize_image(image_HW, factor), factor)
            labels[number] = merge([(rung, self._sure(rung))], image_HW.shape, rung.factor).label_HW
        return labels

    def save(self, folder: Path) -> None:
        for name, net in self._nets.items():
            net.save(folder / name)
        self._save_state(folder)

    def export_onnx(self, folder: Path) -> None:
        """Writes what ``load`` takes, with the networks as ONNX files, which need no torch."""
        for name, net in self._nets.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            net.export_onnx(folder / name / _EXPORTED)
        self._save_state(folder)

    def _save_state(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _STATE).write_text(json.dumps({"nets": sorted(self._nets), "typical": self._typical}))

    def load(self, folder: Path) -> None:
        try:
            state = json.loads((folder / _STATE).read_text())
            self._typical = float(state["typical"])
            self._nets = {name: _network(self.config, self._bright, folder / name) for name in state["nets"]}
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: no usable self-taught segmenter ({error})") from error

    @property
    def _trainings(self) -> int:
        return self.config.passes + (self.config.diameter is None)

    def _passes(self, school: School, images: list[FloatArray], bare: list[FloatArray]) -> NPsSegNet:
        """First on drawn particles alone, then on those found as well. ``bare``: without what is obviously one."""
        net = school.learn(bare, None)
        for _ in range(1, self.config.passes):
            self._nets["segmenter"] = net
            rungs = [look(self._probability("segmenter"), image, 1.0) for image in images]
            found = [without(rung.label_HW, 1 + np.flatnonzero(~self._sure(rung))) for rung in rungs]
            profile = edge_profile(zip(images, found, strict=True))
            if profile is not None:
                found = [corrected(label_HW, profile.ratio) for label_HW in found]
            plain = [without_doubtful(*each) for each in zip(images, rungs, found, strict=True)]
            net = school.learn(plain, found, _around(profile))
        return net

    def _seen(self, image_HW: Any) -> FloatArray:
        """Particles bright."""
        image = np.asarray(image_HW, np.float32)
        return 1 - image if self.context.polarity == "dark" else image

    def _sure(self, rung: Rung) -> np.ndarray:
        """(K,) of each instance whether it is kept."""
        kept: np.ndarray = (rung.score_K >= self.config.sure) & (rung.diameter_K >= self.config.smallest)
        return kept

    def _factor(self, image_HW: FloatArray) -> float:
        """Working scale over the micrograph's own: by the diameter that is set, or by what the finder is sure of."""
        if self.config.diameter is not None:
            return worthwhile(WORKING_DIAMETER / self.config.diameter)
        own = self._diameter(image_HW)
        return worthwhile(float(np.clip(WORKING_DIAMETER / (own or self._typical), *_FACTORS)))

    def accelerate(self, precision: str = "auto") -> None:
        """Makes ``segment`` as fast as this machine allows."""
        for net in self._nets.values():
            if hasattr(net, "accelerate"):  # one out of an ONNX file is fast already
                net.accelerate(precision)

    def _diameter(self, image_HW: FloatArray) -> float | None:
        """Median diameter, px, of the particles that the finder is sure of; ``None`` where they are few."""
        found = segment_at_best_scale(self._probability("finder"), image_HW, WORKING_DIAMETER).label_HW
        return float(typical_diameter(found)) if len(equivalent_diameters(found)) >= _FEW else None

    def _typical_of(self, images: Sequence[FloatArray]) -> float:
        known = [own for image in images if (own := self._diameter(image)) is not None]
        return float(np.median(known)) if known else WORKING_DIAMETER

    def _probability(self, name: str) -> Callable[[FloatArray], FloatArray]:
        if name not in self._nets:
            raise ModelError("self-taught: not taught yet; call `fit` with the stack's micrographs, or `load`")
        net = self._nets[name]
        return lambda image_HW: predict_tiled(net.predict, image_HW, largest=LARGEST_TILE, overlap=OVERLAP)


class School:
    """Trainings one after the other, each on from the one before; what an interrupted run finished is not repeated."""

    def __init__(self, config: SelfTaughtConfig, context: Context, folder: Path) -> None:
        self.config, self.context, self.folder = config, context, folder
        self._done: list[Path] = []

    def learn(
        self,
        images: list[FloatArray],
        found: list[LabelArray] | None,
        flatness: tuple[float, float] = (0.0, 1.0),
    ) -> NPsSegNet:
        """The network after the next training, on lessons made of the images."""
        number, folder = len(self._done), self.folder / f"training-{len(self._done)}"
        if not (folder / _DONE).exists():
            self._train(number, folder, lambda context: self._lessons(images, found, flatness, context))
        self._done.append(folder)
        return _network(self.config, self.context, folder)

    def _lessons(
        self,
        images: list[FloatArray],
        found: list[LabelArray] | None,
        flatness: tuple[float, float],
        context: Context,
    ) -> Lessons:
        c = self.config
        return lessons(images, found, c.images, c.crop, c.contrast, flatness, context)

    def _train(self, number: int, folder: Path, make: Callable[[Context], Lessons]) -> None:
        c, before = self.config, number * self.config.steps
        scratch = self.folder / f"training-{number}.checkpoint"
        scratch.mkdir(parents=True, exist_ok=True)
        context = replace(
            self.context,
            seed=self.context.seed + number,
            scratch=scratch,
            plan=lambda total: None,
            log=lambda step, values: self.context.log(before + step, values),
            start_from=self._done[-1] if self._done else self._first(),
        )
        from emgen_npssegnet.task import NPsSegNet

        image_NHW, label_NHW = make(context)
        net = NPsSegNet(_training(c, further=context.start_from is not None), context)
        net.fit(image_NHW, label_NHW, context)
        net.save(folder)
        (folder / _DONE).touch()

    def _first(self) -> Path | None:
        """Whose weights the first training begins with."""
        from emgen.model import model_folder

        return model_folder(self.config.start_from) if self.config.start_from else None


def without_obvious(image_HW: FloatArray) -> FloatArray:
    """The image with everything painted out that stands out by itself, most of which are particles.

    The first training knows no real particle; the brightest ones, brighter than any that is drawn, would teach it
    that they are background. What is painted out in vain is a piece of support less to learn from.
    """
    from scipy import ndimage as ndi

    seen = ThresholdConfig()
    spots = find_objects(image_HW, seen.smallest, seen.largest, _FALSE)
    obvious_HW = outline(image_HW, spots, seen.edge) > 0 if len(spots) else np.zeros(image_HW.shape, bool)
    return paint_out(image_HW, ndi.binary_dilation(obvious_HW, iterations=_RIM))


def without_doubtful(image_HW: FloatArray, rung: Rung, found_HW: LabelArray) -> FloatArray:
    """The image with everything painted out that may be a particle and is not among those found.

    As background it would teach that real particles are none, and the network would unlearn them from training to
    training.
    """
    from scipy import ndimage as ndi

    sure_HW = ndi.binary_dilation(found_HW > 0, iterations=_RIM)
    doubtful_HW = ndi.binary_dilation(rung.probability_HW >= _DOUBT, iterations=_RIM) & ~sure_HW
    return paint_out(image_HW, doubtful_HW)


def _around(profile: EdgeProfile | None) -> tuple[float, float]:
    """Flatness of the particles drawn next: about that of those found."""
    if profile is None:
        return 0.0, 1.0
    return max(0.0, profile.flatness - _FLATNESS), min(1.0, profile.flatness + _FLATNESS)


def _training(config: SelfTaughtConfig, *, further: bool = False) -> NPsSegNetConfig:
    """Settings of the network; a training that goes on from another one is gentler."""
    return NPsSegNetConfig(
        architecture=config.architecture,
        encoder=config.encoder,
        decoder_channels=config.decoder_channels,
        max_steps=config.steps,
        batch=config.batch,
        learning_rate=config.learning_rate * (_GENTLER if further else 1.0),
        schedule="cosine",
        augment=_AUGMENT,
    )


def _network(config: SelfTaughtConfig, context: Context, folder: Path) -> Any:
    """What a training or an export left in a folder."""
    if (folder / _EXPORTED).is_file():
        from emgen.exporting.onnx_task import OnnxTask

        return OnnxTask(folder / _EXPORTED)
    from emgen_npssegnet.task import NPsSegNet

    net = NPsSegNet(_training(config), context)
    net.load(folder)
    return net


def _spread(count: int, most: int) -> list[int]:
    return [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, most)).round())]


def check(config: SelfTaughtConfig, device: str) -> None:
    """Raises ``PreflightError`` when the model to start from is not there."""
    from emgen.model import model_folder, read_info

    if config.start_from is None:
        return
    try:
        read_info(model_folder(config.start_from))
    except ModelError as error:
        raise PreflightError(f"rough_segmenter self-taught: start_from: {error} null starts from nothing.") from error
