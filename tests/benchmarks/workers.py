"""Prints seconds of ``emgen segment`` on a series by 1 and by 4 Dask workers, one of the 4 killed on the way.

    python tests/benchmarks/workers.py [--frames 500] [--side 256] [--workers 4] [--model pretrained]

Both write the labels into a Zarr store; the stores and the tables must be equal to the byte. Not one of the
comparisons of ``python tests/benchmarks``, as it takes minutes.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import emgen.cluster
from emgen.api import segment
from emgen.testing.phantoms import phantom_stack


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stack = folder / "series.tif"
        phantoms = phantom_stack(min(given.frames, 50), (given.side, given.side), seed=0)
        pictures = [(phantom.image_HW * 65535).astype(np.uint16) for phantom in phantoms]
        frames = [pictures[index % len(pictures)] for index in range(given.frames)]
        tifffile.imwrite(stack, np.stack(frames), photometric="minisblack")
        cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
        print(f"{given.frames} frames of {given.side}², {cores} cores, load {load:.1f}")
        alone = run(stack, folder / "one", given.model, 1)
        several = run(stack, folder / "several", given.model, given.workers, kill_at=given.frames // 2)
        assert contents(folder / "one") == contents(folder / "several"), "the results differ"
        print(
            f"1 worker {alone:.1f} s, {given.workers} workers with one killed {several:.1f} s: {alone / several:.2f}x"
        )
        print("tables and labels are equal to the byte")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in (("frames", 500), ("side", 256), ("workers", 4)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--model", default="pretrained")
    return parser.parse_args()


def run(stack: Path, out: Path, model: str, workers: int, kill_at: int | None = None) -> float:
    """Seconds, the start of the workers and their loading of the model included."""
    cluster = emgen.cluster.Cluster(workers=workers)
    began, done = time.perf_counter(), 0
    with cluster.client() as client:
        address = client.scheduler.address

        def tell(line: str) -> None:
            nonlocal done
            done += 1
            if done == kill_at:
                threading.Thread(target=kill_one, args=(client.run,)).start()

        segment(model, stack, out, write=["zarr"], scheduler=address, tell=tell)
    return time.perf_counter() - began


def kill_one(run_on_all: Callable[..., dict[str, Any]]) -> None:
    victim = min(run_on_all(os.getpid).values())
    os.kill(victim, signal.SIGKILL)
    print(f"killed the worker of process {victim}")


def contents(folder: Path) -> dict[str, bytes]:
    """Everything but figures, which hold the time of their making."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".pdf", ".svg", ".png"}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if not path.name.endswith(".partial")}


if __name__ == "__main__":
    main()
