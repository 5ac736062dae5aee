"""``emgen run``: the pipeline. Run again, it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from emgen.engine.crew import Crew
    from emgen.engine.launch import RunResult


@click.command("run")
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The run folder, by default runs/<name of the spec file>.")
@click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a field, e.g. data.crop=256.")
@click.option(
    "--cache",
    envvar="EMGEN_CACHE",
    type=click.Path(path_type=Path),
    help="A store of artifacts that several runs share (EMGEN_CACHE), by default the run folder's stages/.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to compute; goes over the spec.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def command(
    spec: Path, out: Path | None, overrides: tuple[str, ...], cache: Path | None, device: str | None, quiet: bool
) -> None:
    """From the micrographs that SPEC names to a segmentation model, with scores and a report.

    An interrupted or failed run goes on where it stopped when it is started again. Started as several processes, by
    `accelerate launch -m emgen run ...`, it shares its trainings among them.
    """
    from emgen.engine.crew import crew

    with crew() as processes:
        if processes.rank:
            from emgen.host import load_host

            processes.assist(load_host())
            return
        _run(spec, out, overrides, cache, device, quiet, processes)


def _run(
    spec: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    cache: Path | None,
    device: str | None,
    quiet: bool,
    processes: Crew,
) -> None:
    from emgen.engine.launch import run_spec

    changes = (*overrides, *([f"device={device}"] if device else []))
    folder = out or Path("runs") / _title(spec)
    result = run_spec(spec, folder, progress=not quiet, cache=cache, overrides=changes, crew=processes)
    _tell(result)
    if result.report is None:
        click.echo(f"The run is complete, but its report could not be written: {result.report_error}", err=True)
        raise SystemExit(1)


def _title(spec: Path) -> str:
    """A run folder's own spec.yaml names that run."""
    return spec.resolve().parent.name if spec.name == "spec.yaml" and spec.parent.name else spec.stem


def _tell(result: RunResult) -> None:
    from emgen.artifacts import read_json
    from emgen.report.scores import lines

    for generation, metrics in result.scores.items():
        values = [f"{name} {value}" for scores in metrics.values() for name, value, _ in lines(scores)]
        click.echo(f"{generation.replace('_', ' ')}: {', '.join(values)}")
    if (ledger := result.folder / "rounds.json").is_file():
        told = read_json(ledger)
        end = f"; {told['stopped']}" if told["stopped"] else ""
        click.echo(
            f"rounds: {told['made']} of {told['wanted']} made, the model is that of round {told['accepted']}{end}"
        )
    click.echo(f"model:  {result.model}")
    if result.report:
        click.echo(f"report: {result.report}")
    click.echo(f"segment micrographs with it: emgen segment {result.model} IMAGE... --out DIR")
