"""From a spec to a run folder: check, run the tandem, leave everything on record."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.artifacts import write_json
from emgen.engine.bench import Bench
from emgen.engine.cache import STAGES, Store, check_writable
from emgen.engine.crew import Crew
from emgen.engine.device import device_name, pick_device, pick_precision
from emgen.engine.failures import disk_trouble
from emgen.engine.plan import check_plan, expected_steps, needed_bytes
from emgen.engine.progress import Progress, make_progress
from emgen.engine.record import RunRecord
from emgen.engine.rounds import run_rounds
from emgen.engine.run import Run
from emgen.engine.steps_score import Scores
from emgen.engine.stop import Stop, on_signals
from emgen.engine.tandem import Outcome
from emgen.errors import EmgenError, Interrupted, OutputError
from emgen.spec.slots import reading_host

if TYPE_CHECKING:
    from emgen.host import Host
    from emgen.spec import Spec


@dataclass(frozen=True)
class RunResult:
    """What a run left.

    Attributes
    ----------
    folder: the run folder. outcome: the handles of its artifacts. scores: by generation, metric and score.
    report: the HTML report, ``None`` if writing it failed; then ``report_error`` says why.
    """

    folder: Path
    outcome: Outcome
    scores: Scores
    report: Path | None = None
    report_error: str | None = None
    artifacts: Mapping[str, Path] = field(default_factory=dict)

    @property
    def model(self) -> Path:
        return self.folder / "model"


def run_spec(
    spec: Spec | Mapping[str, Any] | Path | str,
    out: Path | str,
    *,
    host: Host | None = None,
    progress: bool | Progress = True,
    cache: Path | str | None = None,
    overrides: Sequence[str] = (),
    crew: Crew | None = None,
) -> RunResult:
    """Runs the tandem, so often as the spec says; what stands in the store already is not computed again.

    Parameters
    ----------
    spec: a loaded one, or what ``load_spec`` takes.
    progress: whether to show any, or what shows it.
    out: the run folder. cache: a store that several runs share, by default ``out/stages``.
    overrides: ``a.b=c`` texts, for a spec that is not loaded yet.
    crew: the processes that share the trainings, of which this is the first; by default it is alone.

    Raises ``EmgenError``s: of the spec, the data, the disk, a stage (``StageFailedError``), ``Interrupted``.
    """
    loaded, host = _loaded(spec, overrides, host)
    reported: list[tuple[Path | None, str | None]] = []
    report = lambda folder: reported.append(_report(folder))
    how: dict[str, Any] = {"progress": progress, "cache": cache, "at_end": report, "crew": crew}
    with opened_run(loaded, Path(out), host=host, **how) as run:
        outcome = run_rounds(run)
        run.measure_response(outcome)
        run.describe_domain(outcome)
        write_json(run.bench.folder / "metrics.json", outcome.scores)
    folders = {label: step.folder for label, step in run.bench.record.steps.items()}
    artifacts = {label: run.bench.folder / folder for label, folder in folders.items()}
    return RunResult(run.bench.folder, outcome, outcome.scores, *reported[0], artifacts)


@contextmanager
def opened_run(
    spec: Spec,
    out: Path,
    *,
    host: Host,
    progress: bool | Progress = True,
    cache: Path | str | None = None,
    resume: str | None = None,
    at_end: Callable[[Path], None] = lambda folder: None,
    crew: Crew | None = None,
) -> Iterator[Run]:
    """A run whose steps the block may call in any way; checked before, recorded after, stopped by signals.

    ``progress``: whether to show any, or what shows it. ``resume``: the command that takes the work up again, where
    that is not ``emgen run``. ``at_end``: called with the folder once the run is complete, before observers hear of it.
    ``crew``: as ``run_spec`` takes it.
    """
    crew = crew or Crew()
    device = pick_device(spec.device)
    store = Store(Path(cache) if cache else out / STAGES)
    check_plan(spec, host)
    crew.require_shares(spec, host)
    check_writable(out)
    check_writable(store.root, needed_bytes(spec))
    shown = make_progress(progress) if isinstance(progress, bool) else progress
    stop = Stop()
    modality: Any = host.find("modality", spec.modality).plugin
    bench = Bench(
        spec=spec,
        host=reading_host(spec.data.reader, host),
        store=store,
        record=RunRecord(out),
        progress=shown,
        stop=stop,
        device=device,
        precision=pick_precision(spec.precision, device),
        polarity=modality.polarity,
        resume=resume or resume_command(out, cache),
        crew=crew,
    )
    shown.expect(expected_steps(spec))
    try:
        with on_signals(stop, shown.note), _on_record(bench, at_end):
            yield Run(bench)
    finally:
        shown.close()


def resume_command(out: Path, cache: Path | str | None) -> str:
    """The run folder holds the whole spec, so that one command serves whatever started the run."""
    words = ["emgen", "run", str(out / "spec.yaml"), "--out", str(out)]
    return shlex.join([*words, "--cache", str(cache)] if cache else words)


@contextmanager
def _on_record(bench: Bench, at_end: Callable[[Path], None]) -> Iterator[None]:
    try:
        _begin(bench)
        bench.host.notify("emgen_run_started", run=bench.folder)
        yield
    except (Exception, KeyboardInterrupt) as error:
        wanted = _outer(error, bench)
        status = "interrupted" if isinstance(wanted, Interrupted) else "failed"
        _try_write(bench, status, wanted)
        bench.host.notify("emgen_run_finished", run=bench.folder, status=status, error=wanted)
        if wanted is error:
            raise
        raise wanted from error
    bench.record.write("complete")
    try:
        at_end(bench.folder)
    finally:
        bench.host.notify("emgen_run_finished", run=bench.folder, status="complete", error=None)


def _begin(bench: Bench) -> None:
    (bench.folder / "spec.yaml").write_text(bench.spec.to_yaml(), encoding="utf-8")
    bench.record.update(
        {
            "name": bench.spec.name,
            "seed": bench.spec.seed,
            "device": bench.device,
            "device_name": device_name(bench.device),
            "precision": bench.precision,
            "modality": bench.spec.modality,
            "polarity": bench.polarity,
            "command": bench.resume,
            "processes": bench.crew.world,
        }
    )
    bench.store.register_run(bench.folder)


def _outer(error: BaseException, bench: Bench) -> BaseException:
    """A second Ctrl-C, or a disk that filled up between two steps."""
    if isinstance(error, EmgenError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted(f"stopped. What was done is kept. Resume with:\n  {bench.resume}")
    if disk := disk_trouble(error):
        return OutputError(f"{bench.folder}: {disk}. What was done is kept. Resume with:\n  {bench.resume}")
    return error


def _try_write(bench: Bench, status: str, error: BaseException) -> None:
    """On a full disk even the manifest may fail; the first error is the one to show."""
    try:
        bench.record.write(status, error)
    except OSError as failure:
        print(f"{bench.folder}: the manifest could not be written: {failure}", file=sys.stderr)


def _loaded(
    spec: Spec | Mapping[str, Any] | Path | str, overrides: Sequence[str], host: Host | None
) -> tuple[Spec, Host]:
    from emgen.host import load_host
    from emgen.spec import Spec, load_spec

    host = host or load_host()
    return (spec if isinstance(spec, Spec) else load_spec(spec, overrides, host)), host


def _report(folder: Path) -> tuple[Path | None, str | None]:
    """A report that cannot be written does not lose the run."""
    try:
        from emgen.report import write_report

        return write_report(folder), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
