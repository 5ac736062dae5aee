"""The comparisons, each in a process of its own."""

from __future__ import annotations

import importlib
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from timing import Comparison, Timed, timed

HERE = Path(__file__).parent


def alone(comparison: Comparison, names: list[str], number: int) -> Timed:
    """In a process of its own: what one leaves behind (threads, how memory is kept) is neither's gain in the next."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        rival_s, ours_s, agreement = pool.submit(in_this_process, names, number, comparison.repeats).result()
    return Timed(comparison, rival_s, ours_s, agreement)


def in_this_process(names: list[str], number: int, repeats: int) -> tuple[list[float], list[float], str]:
    comparison = Comparison(**{**vars(comparisons(names)[number]), "repeats": repeats})
    with tempfile.TemporaryDirectory() as folder:
        found = timed(comparison, Path(folder))
    return found.rival_s, found.ours_s, found.agreement


def comparisons(names: list[str]) -> list[Comparison]:
    found = []
    for path in sorted(HERE.glob("bench_*.py")):
        module = importlib.import_module(path.stem)
        found += [
            one
            for one in module.COMPARISONS
            if not names or any(name in path.stem or name in one.name for name in names)
        ]
    return found
