"""Do rounds pay? The demo's phantoms and settings, several rounds, each round's model scored against exact truth.

    python scripts/rounds_on_phantoms.py OUT [--seed 0] [--rounds 2] [--cold]

The truth is read after the last round only: no decision of the run sees it. No phantom-trained weights take part.
Ends with status 1 if a round that was accepted lost MIoU against the one before.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from emgen import demo
from emgen.artifacts import Artifact, read_json, write_json
from emgen.engine import opened_run
from emgen.engine.rounds import LEDGER, run_rounds
from emgen.host import load_host
from emgen.report import write_report
from emgen.spec import load_spec
from emgen.testing.phantoms import phantom_stack, write_phantoms

NOISE = 0.001
"""MIoU below which two scores are the same."""


def main() -> int:
    """Runs, scores, prints the table."""
    given = _arguments()
    host, count, shape = load_host(), demo.TRAINING + demo.UNSEEN, (demo.SIDE, demo.SIDE)
    phantoms = phantom_stack(count, shape, seed=2 * given.seed, diameter=demo.DIAMETER)
    training, unseen = phantoms[: demo.TRAINING], phantoms[demo.TRAINING :]
    write_phantoms(given.out / "micrographs", training)
    changes = {"rounds": given.rounds, "warm_start": not given.cold, "seed": given.seed, "name": "rounds on phantoms"}
    spec = load_spec({**demo.SPEC, **changes, "images": [str(given.out / "micrographs" / "*.tif")]}, host=host)
    folder = given.out / "run"
    with opened_run(spec, folder, host=host) as run:
        outcome = run_rounds(run)
        write_json(folder / "metrics.json", outcome.scores)
        models = {label: folder / step.folder for label, step in run.bench.record.steps.items()}
        rough = demo._score(host, demo._segment_roughly(run, unseen), unseen)
    ledger = read_json(folder / LEDGER)
    table = {f"round {row['round']}": _scored(host, models, row["round"], unseen) for row in ledger["rounds"]}
    write_json(given.out / "truth.json", {"rough masks": rough, **table, "ledger": ledger})
    write_report(folder)
    return _tell(rough, table, ledger)


def _scored(host: Any, models: Mapping[str, Path], number: int, unseen: list[Any]) -> Mapping[str, float]:
    label = "downstream_task" + (f" (round {number})" if number > 1 else "")
    return demo._score(host, demo._segment(host, Artifact(models[label]), unseen), unseen)


def _tell(rough: Mapping[str, float], table: Mapping[str, Mapping[str, float]], ledger: Mapping[str, Any]) -> int:
    print(f"{'':12} {'decision':12} " + " ".join(f"{name:>10}" for name in rough) + "   why")
    print(f"{'rough masks':12} {'':12} " + " ".join(f"{value:10.3f}" for value in rough.values()))
    accepted: list[float] = []
    for row in ledger["rounds"]:
        scores = table[f"round {row['round']}"]
        shown = " ".join(f"{value:10.3f}" for value in scores.values())
        print(f"round {row['round']:<6} {row['status']:12} {shown}   {row['why']}")
        if row["status"] == "accepted":
            accepted.append(scores["MIoU"])
    print(ledger["stopped"] or "all rounds were made")
    lost = any(after < before - NOISE for before, after in pairwise(accepted))
    return 1 if lost else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the phantoms and the run")
    parser.add_argument("--seed", type=int, default=0, help="of the phantoms and of the run")
    parser.add_argument("--rounds", type=int, default=2, help="so many at most")
    parser.add_argument("--cold", action="store_true", help="every round trains its network from nothing")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
