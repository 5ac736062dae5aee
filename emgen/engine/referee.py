"""Ranks the states of a GAN's training as they come, ends a training that no longer gets better, keeps the best.

The table grows in ``checkpoints.json``. A resumed training finds there what was judged before, so that it ends with the
choice of one that was never interrupted.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emgen.artifacts import read_json, write_json, write_stack
from emgen.engine.cache import Draft
from emgen.engine.panel import Panel
from emgen.engine.pieces import checked
from emgen.engine.snapshots import Save, keep_snapshot, snapshot_folder, snapshots_of
from emgen.selection import Candidate, Criterion, Measured, Ranked, Ranking, may_end, rank
from emgen.spec.model import CheckpointSpec
from emgen.stages import FloatArray

TABLE = "checkpoints.json"
SHOWN = 6
"""Probes whose images are kept of every state, for the report."""
Make = Callable[[Path, np.random.Generator], FloatArray]
"""(folder of a state, rng) -> (N, H, W), one image a probe."""


@dataclass(frozen=True)
class Referee:
    """``make`` draws the probes' images with the state in a folder; every state gets the same random numbers."""

    draft: Draft
    spec: CheckpointSpec
    panel: Panel
    make: Make

    def judge(self, step: int, save: Save) -> bool:
        """What ``Context.snapshot`` is during the training."""
        rows = self._rows()
        folder = keep_snapshot(self._root, step, save)
        if step not in rows:
            rows[step] = self._judged(step, folder)
            self._write(rows)
        seen = [_candidate(row) for known, row in sorted(rows.items()) if known <= step]
        ends = len(seen) < self.spec.candidates and may_end(seen, self._criteria, self.spec.patience)
        if ends:
            best = rank(seen, self._criteria).chosen
            self.panel.bench.progress.note(f"training ends at step {step}: no better than step {best} for some states")
        return ends

    def settle(self, folder: Path) -> bool:
        """Fills ``folder`` with the state chosen; false where none was ever offered."""
        rows = self._rows()
        if not rows:
            return False
        ranking = self._write(rows)
        shutil.copytree(snapshot_folder(self._root, ranking.chosen), folder, dirs_exist_ok=True)
        return True

    @property
    def _root(self) -> Path:
        """What lies in ``scratch`` is gone once the artifact is complete, and not before."""
        return self.draft.folder if self.spec.keep else self.draft.scratch

    @property
    def _criteria(self) -> list[Criterion]:
        return [judge.criterion for judge in self.panel.judges]

    def _rows(self) -> dict[int, dict[str, Any]]:
        """By step; without a state whose weights are gone: that is judged again when the training comes by."""
        path = self.draft.folder / TABLE
        rows = read_json(path)["candidates"] if path.exists() else []
        return {row["step"]: row for row in rows if row["step"] in snapshots_of(self._root)}

    def _judged(self, step: int, folder: Path) -> dict[str, Any]:
        began = time.monotonic()
        shape = self.panel.labels_NHW.shape
        image_NHW = checked(self.make(folder, np.random.default_rng([self.panel.seed, 1])), shape, np.float32)
        write_stack(self.draft.folder / f"shown/{step:06d}", image_NHW[:SHOWN], np.float32)
        write_stack(self.draft.folder / "shown/label", self.panel.labels_NHW[:SHOWN], np.int32)
        measured = {judge.criterion.name: judge.measure(image_NHW) for judge in self.panel.judges}
        return {
            "step": step,
            "seconds": round(time.monotonic() - began, 3),
            "measures": {name: _plain(each) for name, each in measured.items()},
        }

    def _write(self, rows: Mapping[int, dict[str, Any]]) -> Ranking:
        """The table so far, with the ranking so far."""
        ranking = rank([_candidate(row) for row in rows.values()], self._criteria)
        said = {row.step: row for row in ranking.rows}
        document = {
            "criteria": [
                {"name": each.name, "title": each.title, "better": each.better, "veto": each.veto}
                for each in self._criteria
            ],
            "candidates": [{**row, **_ranks(said[step], ranking)} for step, row in sorted(rows.items())],
            "order": list(ranking.order),
            "chosen": ranking.chosen,
            "why": ranking.why,
            "wanted": self.spec.candidates,
            "probes": len(self.panel.labels_NHW),
            "real": len(self.panel.real_MHW),
            "notes": self.panel.notes,
        }
        write_json(self.draft.folder / TABLE, document)
        return ranking


def _candidate(row: Mapping[str, Any]) -> Candidate:
    measures = {name: Measured(each["value"], tuple(each["without"])) for name, each in row["measures"].items()}
    return Candidate(row["step"], measures)


def _plain(measured: Measured) -> dict[str, Any]:
    low, high = measured.interval or (None, None)
    return {"value": measured.value, "low": low, "high": high, "without": list(measured.without_G)}


def _ranks(row: Ranked, ranking: Ranking) -> dict[str, Any]:
    return {
        "ranks": dict(row.ranks),
        "mean_rank": round(row.mean_rank, 3),
        "out": row.out,
        "chosen": row.step == ranking.chosen,
    }
