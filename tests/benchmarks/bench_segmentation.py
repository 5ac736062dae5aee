"""Segmentation: emgen's way against the same weights in plain PyTorch, as the scripts of the field do it.

Plain: eager float32, channels first, one image at a time in one piece, at the same working scale, in a process of its
own; then connected components and scikit-image's table. Where ``EMGEN_PARTICLESPY`` names the interpreter of an
environment with ParticleSpy (GPL, so it is only called), its Otsu segmentation is a rival as well.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from scipy import ndimage as ndi
from timing import Comparison, Work

from emgen.data.resize import resize_image
from emgen.data.stack import modality_normalise, open_file
from emgen.frame import Frame
from emgen.host import load_host
from emgen.model import Model, load_model
from emgen.particles import match_objects, split_instances
from emgen.stages import Context, FloatArray, LabelArray
from emgen.testing.phantoms import phantom_stack
from emgen_npssegnet.config import NPsSegNetConfig
from emgen_npssegnet.task import NPsSegNet, scaled

SIDE, DIAMETER = 2048, 14.0
COLUMNS = ("label", "area", "equivalent_diameter_area", "centroid", "eccentricity", "solidity", "perimeter")
PARTICLESPY = """
import sys
import numpy as np, hyperspy.api as hs
from particlespy.particle_analysis import parameters
from particlespy.segptcls import process
signal = hs.load(sys.argv[1])
for line in sys.stdin:
    settings = parameters()
    settings.generate(threshold="otsu", watershed=True, min_size=20)
    print(int(np.max(process(hs.load(sys.argv[1]), settings))), flush=True)
"""


def micrograph(path: Path, side: int = SIDE, diameter: float = DIAMETER, seed: int = 1) -> Path:
    """Writes a phantom HAADF-STEM micrograph of 16 bit."""
    (phantom,) = phantom_stack(1, (side, side), seed=seed, diameter=diameter)
    tifffile.imwrite(path, np.round(phantom.image_HW * 65535).astype(np.uint16))
    return path


class Script:
    """What the field's scripts do."""

    def __init__(self, task: NPsSegNet, factor: float) -> None:
        self.net, self.inverted, self.factor = (
            task._build(None).to(memory_format=torch.contiguous_format),
            False,
            factor,
        )
        self.net.load_state_dict(task.net.state_dict())
        self.net.eval()
        self.normalise = modality_normalise(load_host(), "haadf-stem")

    def probability(self, path: Path) -> FloatArray:
        image_HW = resize_image(self.normalise(tifffile.imread(path)), self.factor)
        padded = np.pad(image_HW, [(0, -side % 32) for side in image_HW.shape], mode="reflect")
        with torch.no_grad():
            logits = self.net(scaled(torch.from_numpy(padded)[None, None]))
        found: FloatArray = logits.softmax(1)[0, 1, : image_HW.shape[0], : image_HW.shape[1]].numpy()
        return found

    def __call__(self, path: Path) -> FloatArray:
        from skimage.measure import regionprops_table

        probability_HW = self.probability(path)
        regionprops_table(ndi.label(probability_HW > 0.5)[0], properties=COLUMNS)
        return probability_HW


def segmented(model: Model, path: Path, factors: tuple[float, ...] | None = None) -> LabelArray:
    """emgen's way from file to table; with ``factors``, at a known scale."""
    host = load_host()
    normalise, stack = modality_normalise(host, "haadf-stem"), open_file(path, host)
    frame = Frame.read(stack, 0, name="frame", path=path, normalise=normalise, pixel_size_nm=0.1)
    found = model.segment(frame.seen.image_HW, factors)
    frame.measured(found.label_HW)
    return found.label_HW


class Elsewhere:
    """A script in a process of its own, as it would be: emgen changes how its process keeps freed memory.

    Its result stays there until it is asked for, so that handing it over is not timed.
    """

    def __init__(self, task: NPsSegNet, factor: float, folder: Path) -> None:
        weights = folder / "weights"
        weights.mkdir()
        task.save(weights)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        settings = task.config.model_dump()
        context.Process(target=serve_script, args=(theirs, weights, settings, factor), daemon=True).start()
        theirs.close()

    def __call__(self, path: Path) -> Elsewhere:
        self._pipe.send(path)
        assert self._pipe.recv() == "done"
        return self

    def result(self) -> FloatArray:
        self._pipe.send(None)
        found: FloatArray = self._pipe.recv()
        return found


def serve_script(pipe: Any, weights: Path, settings: dict[str, Any], factor: float) -> None:
    """For each path the script's work; for ``None`` its last result."""
    task = NPsSegNet(NPsSegNetConfig(**settings), Context(seed=0))
    task.load(weights)
    script, found = Script(task, factor), None
    with suppress(EOFError):
        while True:
            path = pipe.recv()
            if path is None:
                pipe.send(found)
            else:
                found = script(path)
                pipe.send("done")


def at_known_scale(task: NPsSegNet, folder: Path) -> Work:
    path = micrograph(folder / "frame.tif")
    info = {"modality": "haadf-stem", "polarity": "bright", "working_diameter": DIAMETER}
    script, model = Elsewhere(task, 1.0, folder), Model(task, info).accelerate()
    return Work(rival=lambda: script(path), ours=lambda: segmented(model, path, (1.0,)), agree=objects_agree)


def at_best_scale(folder: Path, diameter: float) -> Work:
    """Several scales are looked at here, and one there; what they find is another thing."""
    path = micrograph(folder / "frame.tif", diameter=diameter)
    model, script = load_model("pretrained").accelerate(), Elsewhere(shipped(), DIAMETER / diameter, folder)
    return Work(rival=lambda: script(path), ours=lambda: segmented(model, path))


def objects_agree(rival: Any, found_HW: Any) -> str:
    """The rival's masks are cut into objects as ours are."""
    found = match_objects(found_HW, split_instances(rival.result()))
    assert found.f1 >= 0.99, f"object F1 {found.f1:.4f}"
    return f"object F1 {found.f1:.4f}"


def shipped() -> NPsSegNet:
    task = load_model("pretrained").task
    assert isinstance(task, NPsSegNet)
    return task


def resnet34() -> NPsSegNet:
    """UNet++ ResNet-34 after a short training: random weights find no objects that could agree."""
    phantoms = phantom_stack(48, (96, 96), seed=5, diameter=DIAMETER)
    config = NPsSegNetConfig(max_steps=80, batch=4, learning_rate=1e-3, schedule="cosine")
    task = NPsSegNet(config, Context(seed=1))
    normalise = modality_normalise(load_host(), "haadf-stem")
    images = np.stack([normalise(np.round(one.image_HW * 65535).astype(np.uint16)) for one in phantoms])
    task.fit(images, np.stack([one.label_HW for one in phantoms]), Context(seed=1))
    return task


def otsu(folder: Path) -> Work:
    """ParticleSpy, started once; loading, thresholding and cutting are timed, its far slower table is not."""
    path = micrograph(folder / "frame.tif", 1024)
    call = [os.environ["EMGEN_PARTICLESPY"], "-c", PARTICLESPY, str(path)]
    other = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rival() -> object:
        assert other.stdin is not None
        assert other.stdout is not None
        print("again", file=other.stdin, flush=True)
        return int(other.stdout.readline())

    model = load_model("pretrained").accelerate()
    return Work(
        rival=rival,
        ours=lambda: segmented(model, path),
        agree=lambda theirs, ours: f"{theirs} and {np.max(ours)} particles",  # type: ignore[call-overload]
    )


def _row(name: str, task: Callable[[], NPsSegNet], goal: float, repeats: int) -> Comparison:
    return Comparison(
        name=name,
        rival="the same weights in plain PyTorch",
        prepare=lambda folder: at_known_scale(task(), folder),
        goal=goal,
        repeats=repeats,
    )


COMPARISONS = [
    _row("shipped model, 2048², at a known scale", shipped, 3, 5),
    _row("UNet++ ResNet-34, 2048², at a known scale", resnet34, 2, 3),
    *(
        Comparison(
            name=f"shipped model, 2048², file to table, {what}, scale found by itself",
            rival="the same weights in plain PyTorch, told the scale",
            prepare=partial(at_best_scale, diameter=diameter),
            limit_s=0.7,
            repeats=9,
        )
        for what, diameter in (("1,200 particles of 14 px", 14.0), ("300 of 28 px", 28.0))
    ),
    *(
        [Comparison(name="shipped model, 1024², file to table", rival="ParticleSpy, Otsu", prepare=otsu, goal=1)]
        if "EMGEN_PARTICLESPY" in os.environ
        else []
    ),
]
