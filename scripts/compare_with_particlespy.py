"""The same masks measured by emgen and by ParticleSpy: how far areas and diameters differ, and how long each takes.

ParticleSpy is GPL and wants packages of its own, so it runs in another environment:

    python3 -m venv /tmp/particlespy && /tmp/particlespy/bin/pip install particlespy
    python scripts/compare_with_particlespy.py /tmp/particlespy/bin/python

The agreement is taken on a mask of 1024 x 1024 px with 500 particles. The time of 2048 x 2048 px with 5,000 is
extrapolated for ParticleSpy from a few particles in an image of that size: it keeps an image-sized mask of every
particle, 160 GB in all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

PIXEL_SIZE_NM = 0.25
OTHER = """
import json, sys, time
import numpy as np, hyperspy.api as hs
from particlespy.particle_analysis import particle_analysis, parameters
mask, image = np.load(sys.argv[1])["mask"], np.load(sys.argv[1])["image"]
signal = hs.signals.Signal2D(image)
for axis in signal.axes_manager.signal_axes:
    axis.scale, axis.units = float(sys.argv[2]), "nm"
settings = parameters()
settings.generate()
settings.store["store_im"] = False
began = time.perf_counter()
found = particle_analysis(signal, settings, mask=mask)
seconds = time.perf_counter() - began
get = lambda name: [p.properties[name]["value"] for p in found.list]
print(json.dumps({"seconds": seconds, "area": get("area"), "diameter": get("equivalent circular diameter")}))
"""


def ellipses(count: int, side: int, grid: int, seed: int = 0) -> np.ndarray:
    """``count`` instances, none touching another, on a grid of ``grid`` x ``grid`` cells."""
    rng, label, cell = np.random.default_rng(seed), np.zeros((side, side), np.int32), side // grid
    ys, xs = np.mgrid[:cell, :cell]
    for number in range(count):
        row, column = divmod(number, grid)
        radius, stretch = rng.uniform(3, cell / 2 - 3), np.exp(rng.normal(0, 0.08))
        inside = ((ys - cell / 2) / radius * stretch) ** 2 + ((xs - cell / 2) / radius / stretch) ** 2 <= 1
        label[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell][inside] = number + 1
    return label


def by_emgen(label_HW: np.ndarray, image_HW: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """(seconds, areas in nm², equivalent diameters in nm)"""
    from emgen.particles import measure

    measure(label_HW[:256, :256], image_HW[:256, :256], PIXEL_SIZE_NM)  # imports
    began = time.perf_counter()
    table = measure(label_HW, image_HW, PIXEL_SIZE_NM)
    seconds = time.perf_counter() - began
    return seconds, table["area_nm2"].to_numpy(float), table["equivalent_diameter_nm"].to_numpy(float)


def by_particlespy(python: Path, label_HW: np.ndarray, image_HW: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.npz"
        np.savez(path, mask=(label_HW > 0).astype(np.int32), image=image_HW)
        call = [python, "-c", OTHER, path, str(PIXEL_SIZE_NM)]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
    kept = json.loads(done.stdout.splitlines()[-1])
    return kept["seconds"], np.array(kept["area"]), np.array(kept["diameter"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path, help="the interpreter of an environment with ParticleSpy")
    given = parser.parse_args()
    rng = np.random.default_rng(1)

    label_HW = ellipses(500, 1024, 32)
    image_HW = rng.random(label_HW.shape, np.float32)
    ours, theirs = by_emgen(label_HW, image_HW), by_particlespy(given.python, label_HW, image_HW)
    for name, a, b in zip(("area", "equivalent diameter"), ours[1:], theirs[1:], strict=True):
        a, b = np.sort(a), np.sort(b)
        print(f"{name}: {len(a)} and {len(b)} particles, largest difference {100 * np.abs(a / b - 1).max():.2g} %")
    print(f"1024 x 1024 px, 500 particles: emgen {ours[0]:.2f} s, ParticleSpy {theirs[0]:.1f} s")

    many_HW, few_HW = ellipses(5000, 2048, 71), ellipses(10, 2048, 71)
    image_HW = rng.random(many_HW.shape, np.float32)
    seconds = by_emgen(many_HW, image_HW)[0]
    each = by_particlespy(given.python, few_HW, image_HW)[0] / 10
    print(
        f"2048 x 2048 px, 5000 particles: emgen {seconds:.1f} s, "
        f"ParticleSpy {each:.2f} s a particle, so {5000 * each / 60:.0f} min"
    )


if __name__ == "__main__":
    main()
