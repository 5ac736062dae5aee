"""From a spec to the report of a study: its trials through an executor, what they found, what that says."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emgen.engine.cache import check_writable
from emgen.engine.stop import Stop, on_signals
from emgen.errors import Interrupted, SpecError, did_you_mean, listing
from emgen.study.board import Board, make_board
from emgen.study.executor import Executor, make_executor
from emgen.study.plan import QUICK_STUDY, Plan
from emgen.study.results import write_results
from emgen.study.settings import StudyFile, read_study
from emgen.study.summary import Summary
from emgen.study.trial import Outcome, Result, Trial
from emgen.study.worker import Workplace

if TYPE_CHECKING:
    from emgen.host import Host

STUDIES: Mapping[str, str] = {
    "ablation": "Morphology GAN on few and on many images, with and without the contrast GAN.",
    "baselines": "Label-free against hand labels, rough masks, and training on rough masks.",
    "architectures": "UNet, UNet++ and DeepLabV3+ on one virtual data set.",
    "rough": "How good must the rough masks be?",
    "transfer": "A model of one modality as the rough segmenter of another.",
}
"""Name to what it compares; each is a module of ``emgen.study`` that is a ``Definition``."""
SEEDS = (0, 1, 2)


class Definition(Protocol):
    """What a study's module has."""

    TITLE: str
    QUESTION: str

    def trials(self, plan: Plan) -> list[Trial]: ...
    def perform(self, place: Workplace) -> Outcome: ...
    def summarise(self, plan: Plan, results: Sequence[Result]) -> Summary: ...


@dataclass(frozen=True)
class StudyResult:
    """``report``: the page. ``results``: of all trials, in the order of the plan."""

    folder: Path
    results: Sequence[Result]
    summary: Summary
    report: Path

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.status == "failed"]


def run_study(
    study: str,
    source: Path | str | Mapping[str, Any],
    out: Path | str,
    *,
    seeds: Sequence[int] = (),
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
    quick: bool = False,
    progress: bool = True,
    command: str | None = None,
    host: Host | None = None,
) -> StudyResult:
    """Does a study, or takes it up again: what stands in ``out/store`` is not computed again.

    Parameters
    ----------
    study: one of ``STUDIES``. source: a spec, as of ``emgen run``; ``images: phantoms`` makes phantom micrographs.
    seeds: of material, trainings and all else; 0, 1, 2 unless given. settings: go over the spec's block ``study``.
    executor: by default one worker process. quick: everything small, one seed: to see that it works.

    A trial that fails is in ``failed`` and in the report; the others go on. Raises ``EmgenError``s for what is wrong
    before the first trial, and ``Interrupted``.
    """
    definition = definition_of(study)
    plan = _plan(study, source, Path(out), tuple(seeds), overrides, settings, quick, command, host)
    trials = definition.trials(plan)
    results = _performed(trials, executor or make_executor(), make_board(progress, len(trials)), plan)
    summary = definition.summarise(plan, results)
    write_results(plan.out, definition, plan, results, summary)
    from emgen.study.report import write_study_report

    report = write_study_report(plan.out, definition, plan, results, summary)
    if any(result.status == "interrupted" for result in results):
        raise Interrupted(
            f"stopped. What was done is kept, and so far reported in {report}. Go on with:\n  {plan.command}"
        )
    return StudyResult(plan.out, results, summary, report)


def definition_of(study: str) -> Definition:
    """Raises ``SpecError`` for a study that does not exist."""
    if study not in STUDIES:
        raise SpecError(f'there is no study "{study}".{did_you_mean(study, STUDIES)} There are: {listing(STUDIES)}.')
    definition: Any = import_module(f"emgen.study.{study}")
    return definition  # type: ignore[no-any-return]


def _plan(
    study: str,
    source: Path | str | Mapping[str, Any],
    out: Path,
    seeds: tuple[int, ...],
    overrides: Sequence[str],
    settings: Mapping[str, Any] | None,
    quick: bool,
    command: str | None,
    host: Host | None,
) -> Plan:
    from emgen.host import load_host

    check_writable(out)
    small = QUICK_STUDY if quick else {}
    file: StudyFile = read_study(source, overrides, {**small, **(settings or {})})
    chosen = tuple(dict.fromkeys(seeds)) or (SEEDS[:1] if quick else SEEDS)
    again = command or resume_command(study, source, out, chosen, overrides)
    return Plan(study, file, host or load_host(), chosen, out, again, quick)


def resume_command(
    study: str, source: Path | str | Mapping[str, Any], out: Path, seeds: Sequence[int], overrides: Sequence[str]
) -> str:
    """The command that takes the study up again; of a spec that was no file, as near as a command comes."""
    name = "SPEC" if isinstance(source, Mapping) else str(source)
    words = ["emgen", "study", study, name, "--out", str(out)]
    words += [word for seed in seeds for word in ("--seed", str(seed))]
    words += [word for text in overrides for word in ("--set", text)]
    return shlex.join(words)


def _performed(trials: Sequence[Trial], executor: Executor, board: Board, plan: Plan) -> list[Result]:
    """Results in the order of the trials, whatever order they came in."""
    stop = Stop()
    found: dict[str, Result] = {}

    def watch(running: Sequence[Trial]) -> bool:
        board.running(running)
        return stop()

    try:
        with on_signals(stop, board.note):
            for result in executor.map(trials, watch):
                found[result.trial.folder] = result
                board.finished(result)
    except KeyboardInterrupt as error:
        raise Interrupted(f"stopped. What was done is kept. Go on with:\n  {plan.command}") from error
    finally:
        board.close()
    return [found[trial.folder] for trial in trials]
