"""The tandem again, with its own model in place of the rough segmenter, as long as that does not make it worse.

A round that real micrographs speak against is rolled back: the run's model stays that of the best round, and no further
round is begun. ``rounds.json`` is the ledger of all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from emgen.artifacts import Artifact, write_json
from emgen.engine.bench import Bench
from emgen.engine.handles import Generation, RoughLabels
from emgen.engine.labelled_gain import measure_gain
from emgen.engine.run import Run
from emgen.engine.steps_evidence import FILE as EVIDENCE
from emgen.engine.steps_evidence import Evidence
from emgen.engine.tandem import Outcome, scored, tandem, virtual_data
from emgen.engine.verdict import Comparison, Verdict, compare, decide, summary
from emgen.errors import NoParticlesError

LEDGER = "rounds.json"


@dataclass(frozen=True)
class Round:
    """One tandem, the masks that its model makes of the stack, and what the micrographs say of them."""

    number: int
    outcome: Outcome
    masks: RoughLabels
    evidence: Evidence


def run_rounds(run: Run) -> Outcome:
    """The outcome of the best round; with ``rounds: 1`` that of the tandem. Its model is the run's."""
    outcome = tandem(run)
    measure_gain(run, outcome)
    wanted = run.bench.spec.rounds
    if wanted == 1:
        (run.bench.folder / LEDGER).unlink(missing_ok=True)  # of a run of this folder with other settings
        return outcome
    rough = run.gather_evidence(outcome.micrographs, outcome.parts, outcome.rough, label="evidence of rough masks")
    best = _finished(run, 1, outcome)
    ledger = Ledger(run.bench, rough, best)
    for number in range(2, wanted + 1):
        fresh = _another(run, best, number, ledger)
        if fresh is None:
            break
        comparison = compare(fresh.evidence, best.evidence, run.bench.spec.seed)
        verdict = decide(comparison)
        ledger.add(fresh, best.evidence, comparison, verdict)
        if not verdict.accepted:
            ledger.stop(f"round {number} was rolled back")
            break
        best = fresh
        run.keep(best.outcome.model)
        if verdict.settled:
            ledger.stop(f"the masks of rounds {number - 1} and {number} agree ({comparison.agreement:.3f} overlap)")
            break
    return best.outcome


def _another(run: Run, before: Round, number: int, ledger: Ledger) -> Round | None:
    """``None`` where the masks of the round before leave nothing to learn from; the ledger says so."""
    micrographs, parts = before.outcome.micrographs, before.outcome.parts
    again = Run(
        replace(run.bench, suffix=f" (round {number})"),
        start_from=before.outcome.model if run.bench.spec.warm_start else None,
    )
    try:
        relabelled = again.relabel(micrographs, parts, before.masks)
        made = virtual_data(again, relabelled)
    except NoParticlesError as error:
        ledger.stop(f"round {number} had nothing to learn from: {error}")
        return None
    training = again.training_set(made.second, relabelled, micrographs)
    model = again.train_downstream(training.images, training.labels)
    scores = scored(again, relabelled, made)
    outcome = Outcome(micrographs, before.masks, relabelled, **vars(made), model=model, scores=scores)
    return _finished(again, number, outcome)


def _finished(run: Run, number: int, outcome: Outcome) -> Round:
    masks = run.segment_stack(outcome.micrographs, outcome.parts, outcome.model)
    return Round(number, outcome, masks, run.gather_evidence(outcome.micrographs, outcome.parts, masks))


class Ledger:
    """``rounds.json``: of every round its artifacts, the masks it began with and those it made, scores, the decision.

    Written anew after each round, and a short account of it in the run's manifest.
    """

    def __init__(self, bench: Bench, rough: Evidence, first: Round) -> None:
        self._bench = bench
        self._stopped = ""
        self._rows: list[dict[str, Any]] = []
        self._add(first, rough, None, Verdict(True, False, "the first model there is"))

    def add(self, made: Round, before: Evidence, comparison: Comparison, verdict: Verdict) -> None:
        """A round, the masks it began with, and how it compares with the round that made them."""
        self._add(made, before, comparison, verdict)

    def stop(self, why: str) -> None:
        """No round follows."""
        self._stopped = why
        self._bench.progress.note(f"no further round: {why}")
        self._write()

    def _add(self, made: Round, before: Evidence, comparison: Comparison | None, verdict: Verdict) -> None:
        outcome = made.outcome
        self._rows.append(
            {
                "round": made.number,
                "status": "accepted" if verdict.accepted else "rolled back",
                "why": verdict.why,
                "against_the_round_before": None if comparison is None else comparison.to_dict(),
                "masks_it_began_with": told(before),
                "masks_it_made": told(made.evidence),
                "gate": {name: dict(getattr(outcome, name).fidelity) for name in ("first", "second")},
                "scores": outcome.scores,
                "artifacts": {**_keys(outcome), "evidence": made.evidence.artifact.key},
                "trained_on_from": self._rows[-1]["artifacts"]["model"] if self._warm else None,
            }
        )
        self._write()

    @property
    def _warm(self) -> bool:
        return self._bench.spec.warm_start and bool(self._rows)

    def _write(self) -> None:
        accepted = max(row["round"] for row in self._rows if row["status"] == "accepted")
        wanted = self._bench.spec.rounds
        head = {"format": 1, "wanted": wanted, "made": len(self._rows), "accepted": accepted, "stopped": self._stopped}
        write_json(self._bench.folder / LEDGER, {**head, "rounds": self._rows})
        self._bench.record.update({"rounds": head})


def told(evidence: Evidence) -> dict[str, Any]:
    """Size, number and area of the masks, and the rates of the check by their own thresholds."""
    rates: Mapping[str, float] = evidence.artifact.read(EVIDENCE)["rates"]
    return {**summary(evidence), "tiles": len(evidence.tiles), "fidelity": dict(rates)}


def _keys(outcome: Outcome) -> dict[str, str]:
    """The key of each artifact by its name in ``Outcome``."""
    values = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    return {name: _artifact(value).key for name, value in values.items() if name != "scores"}


def _artifact(handle: Any) -> Artifact:
    if isinstance(handle, Artifact):
        return handle
    if isinstance(handle, Generation):
        return handle.images.artifact
    artifact: Artifact = handle.artifact
    return artifact
