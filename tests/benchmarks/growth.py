"""How time and peak memory grow with the work: ``python tests/benchmarks/growth.py OUT [--largest SHARE] [NAME …]``.

Each point runs in a process of its own. Writes ``growth.json``, and ``growth.png`` with the exponents fitted to the
upper half of each series (time ~ size^exponent; 1 is proportional, 0 does not grow). Names: frames, pixels, particles,
images. ``--largest``: leaves out sizes over this share of a series' largest.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

SIZES = {
    "frames": (10, 100, 1000, 5000, 20000),
    "pixels": (256, 512, 1024, 2048, 4096, 8192),
    "particles": (100, 500, 2000, 10000, 50000),
    "images": (50, 200, 800, 3200),
}
MEANING = {
    "frames": "frames of 64² in one file, segmented",
    "pixels": "side (px) of one micrograph, file to table",
    "particles": "particles measured on 4096²",
    "images": "images of 96², 60 steps of NPsSegNet",
}


def frames(count: int, folder: Path) -> Callable[[], object]:
    from emgen.api import segment
    from emgen.testing.phantoms import phantom_stack

    some = [np.round(one.image_HW * 65535).astype(np.uint16) for one in phantom_stack(10, (64, 64), seed=1)]
    path = folder / "series.tif"
    with tifffile.TiffWriter(path) as file:
        for number in range(count):
            file.write(some[number % len(some)], contiguous=True)
    return lambda: segment("pretrained", path, folder / "out", write=["zarr"], precision="auto")


def pixels(side: int, folder: Path) -> Callable[[], object]:
    from emgen.api import segment
    from emgen.testing.phantoms import phantom_stack

    (piece,) = phantom_stack(1, (min(side, 1024),) * 2, seed=1, diameter=14.0)
    tiles = max(1, side // 1024)
    tifffile.imwrite(folder / "one.tif", np.tile(np.round(piece.image_HW * 65535).astype(np.uint16), (tiles, tiles)))
    return lambda: segment("pretrained", folder / "one.tif", folder / "out")


def particles(count: int, folder: Path) -> Callable[[], object]:
    from emgen.particles import measure

    side, cells = 4096, int(np.ceil(np.sqrt(count)))
    pitch = side // cells
    ys, xs = np.mgrid[:side, :side]
    inside = (ys % pitch - pitch / 2) ** 2 + (xs % pitch - pitch / 2) ** 2 < (0.35 * min(pitch, 60)) ** 2
    number = (ys // pitch) * cells + xs // pitch + 1
    label_HW = np.where(inside & (ys < cells * pitch) & (xs < cells * pitch) & (number <= count), number, 0)
    image_HW = np.random.default_rng(0).random((side, side), np.float32)
    label_HW = label_HW.astype(np.int32)
    return lambda: measure(label_HW, image_HW, 0.1, "one")


def images(count: int, folder: Path) -> Callable[[], object]:
    from emgen.stages import Context
    from emgen_npssegnet.config import NPsSegNetConfig
    from emgen_npssegnet.task import NPsSegNet

    rng = np.random.default_rng(0)
    image_NHW = rng.random((count, 96, 96), np.float32)
    label_NHW = (rng.random((count, 96, 96)) > 0.9).astype(np.int32)
    config = NPsSegNetConfig.model_validate(NPsSegNetConfig.presets["quick"] | {"max_steps": 60, "validation": 0.02})
    return lambda: NPsSegNet(config, Context()).fit(image_NHW, label_NHW, Context())


def point(name: str, size: int) -> dict[str, float]:
    """Time of the work itself; peak memory of the process, and what it held before the work."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "first").mkdir()
        globals()[name](SIZES[name][0], Path(folder) / "first")()  # what is imported and compiled once
        work = globals()[name](size, Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"size": size, "seconds": seconds, "peak_mib": peak / 1024, "before_mib": before / 1024}


def exponent(sizes: list[float], values: list[float]) -> float:
    """Slope of the logarithms over the upper half of a series, at least three points."""
    kept = slice(min(len(sizes) // 2, len(sizes) - 3) if len(sizes) > 3 else 0, None)
    return float(np.polyfit(np.log(sizes[kept]), np.log(values[kept]), 1)[0])


def draw(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    from emgen import figures

    with figures.figure(180, 45 * len(found), "growth") as figure:
        rows = figure.subplots(len(found), 2, squeeze=False)
        for (name, points), row in zip(found.items(), rows, strict=True):
            sizes = [one["size"] for one in points]
            for axes, key, label, colour in zip(
                row,
                ("seconds", "peak_mib"),
                ("time (s)", "peak memory (MiB)"),
                (figures.BLUE, figures.ORANGE),
                strict=True,
            ):
                values = [one[key] for one in points]
                axes.loglog(sizes, values, "o-", color=colour, markersize=3, linewidth=1)
                axes.set(xlabel=MEANING[name], ylabel=label)
                axes.xaxis.set_minor_formatter("")
                axes.yaxis.set_minor_formatter("")
                axes.set_ylim(bottom=min(values) / 2, top=max(values) * 3)
                axes.text(0.04, 0.9, f"exponent {exponent(sizes, values):.2f}", transform=axes.transAxes, va="top")
        figures.save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", choices=[*SIZES, []], metavar="NAME")
    parser.add_argument("--largest", type=float, default=1.0, metavar="SHARE")
    parser.add_argument("--point", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.point:
        print(json.dumps(point(given.names[0], given.point)))
        return
    given.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for name in given.names or SIZES:
        for size in SIZES[name]:
            if size > given.largest * SIZES[name][-1]:
                continue
            call = [sys.executable, __file__, str(given.out), name, "--point", str(size)]
            done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
            found.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))
            print(name, found[name][-1], flush=True)
            (given.out / "growth.json").write_text(json.dumps(found, indent=1))
    draw(found, given.out / "growth.png")


if __name__ == "__main__":
    main()
