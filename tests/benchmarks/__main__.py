"""Every comparison in one run: ``python tests/benchmarks [NAME …] [--json FILE]``.

A module ``bench_*.py`` beside this one lists its comparisons in ``COMPARISONS``. NAME: part of a module's or a
comparison's name. The table is what ``docs/explanation/performance.md`` holds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from alone import alone, comparisons
from timing import Comparison, Timed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single time too")
    parser.add_argument("--repeats", type=int, help="in place of each comparison's own number")
    chosen = parser.parse_args()
    print(machine(), flush=True)
    results = []
    for comparison in comparisons(chosen.names):
        print(f"… {comparison.name}", file=sys.stderr, flush=True)
        if chosen.repeats:
            comparison = Comparison(**{**vars(comparison), "repeats": chosen.repeats})
        results.append(alone(comparison, chosen.names, len(results)))
        print(row(results[-1]), flush=True)
    print("\n" + table(results))
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": machine(), "rows": [record(one) for one in results]}, indent=1))
    return 0


def machine() -> str:
    """Processor, cores, memory, versions."""
    import numpy
    import torch

    model = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "").partition(":")[2]
    memory = next((line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), "0 0").split()[1]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{model.strip() or platform.processor()}, {len(os.sched_getaffinity(0))} cores, "
        f"{int(memory) / 2**20:.0f} GiB, {gpu}; Python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {numpy.__version__}, {torch.get_num_threads()} threads"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def row(one: Timed) -> str:
    """A line of Markdown."""
    low, high = min(one.ratios), max(one.ratios)
    goal = [f"{one.comparison.goal:g}x"] if one.comparison.goal is not None else []
    goal += [f"{one.comparison.limit_s:g} s"] if one.comparison.limit_s is not None else []
    verdict = {True: "yes", False: "**no**", None: ""}[one.reached]
    cells = [
        one.comparison.name,
        one.comparison.rival,
        seconds(statistics.median(one.rival_s)),
        seconds(statistics.median(one.ours_s)),
        f"{one.ratio:.2f} ({low:.2f} to {high:.2f})",
        " and ".join(goal),
        verdict,
        one.agreement,
    ]
    return "| " + " | ".join(cells) + " |"


def table(results: list[Timed]) -> str:
    head = ["what", "rival", "rival takes", "emgen takes", "times faster", "goal", "reached", "results agree"]
    return "\n".join(["| " + " | ".join(head) + " |", "| --- " * len(head) + "|", *map(row, results)])


def seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 0.1 else f"{1000 * value:.3g} ms"


def record(one: Timed) -> dict[str, Any]:
    return {
        "name": one.comparison.name,
        "rival": one.comparison.rival,
        "rival_s": one.rival_s,
        "ours_s": one.ours_s,
        "ratio": one.ratio,
        "goal": one.comparison.goal,
        "limit_s": one.comparison.limit_s,
        "reached": one.reached,
        "agreement": one.agreement,
    }


if __name__ == "__main__":
    sys.exit(main())
