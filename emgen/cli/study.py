"""``emgen study``: many runs, one comparison. Run again, it resumes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emgen.cli.options import workers_options

if TYPE_CHECKING:
    from emgen.study.run import StudyResult

SUMMARIES = {
    "ablation": "Morphology GAN on few and on many images, with and without the contrast GAN. Needs no truth.",
    "baselines": "Label-free against hand labels, rough masks, and training on rough masks. Needs truth.",
    "architectures": "UNet, UNet++ and DeepLabV3+ on one virtual data set. Needs truth.",
    "rough": "How good must the rough masks be? Needs truth.",
    "transfer": "A model of one modality as the rough segmenter of another. Truth is optional.",
}
OPTIONS: list[Callable[..., Any]] = [
    click.argument("spec", type=click.Path(path_type=Path)),
    click.option(
        "--out", type=click.Path(path_type=Path), help="Folder, by default studies/<study>-<name of the spec>."
    ),
    click.option("--set", "overrides", multiple=True, metavar="FIELD=VALUE", help="Change a field, also of study."),
    click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Give several. [0, 1, 2]"),
    click.option("--evaluate", multiple=True, metavar="IMAGES", help="Micrographs to score on (study.evaluate)."),
    click.option("--truth", type=click.Path(path_type=Path), help="Folder of their labels (study.truth)."),
    click.option(
        "--executor", type=click.Choice(["processes", "dask", "here"]), default="processes", show_default=True
    ),
    click.option("--dask-scheduler", "scheduler", hidden=True),  # its name before other commands had one
    workers_options("Trials"),
    click.option("--quick", is_flag=True, help="Everything small, one seed: to see that it works."),
    click.option("--quiet", is_flag=True, help="Show no progress."),
]


@click.group("study")
def command() -> None:
    """The paper's comparisons, on phantoms or on your micrographs.

    SPEC is a spec as of `emgen run`; with `images: phantoms` the study makes phantom micrographs, whose exact truth is
    known. Ends with a report of figures and effect sizes. Run again, it resumes.
    """


def _subcommand(study: str, summary: str) -> click.Command:
    def run(**options: Any) -> None:
        _run(study, **options)

    made: Any = run
    for option in reversed(OPTIONS):
        made = option(made)
    if study == "transfer":
        made = click.option("--source", metavar="MODEL", help="The model to start from (study.source).")(made)
    if study == "baselines":
        where = click.Path(path_type=Path)
        made = click.option("--hand-labels", type=where, help="Folder of hand labels (study.hand_labels).")(made)
    done: click.Command = click.command(study, help=summary, short_help=summary)(made)
    return done


for _name, _summary in SUMMARIES.items():
    command.add_command(_subcommand(_name, _summary))


def _run(
    study: str,
    *,
    spec: Path,
    out: Path | None,
    overrides: tuple[str, ...],
    seeds: tuple[int, ...],
    executor: Any,
    workers: int,
    scheduler: str | None,
    quick: bool,
    quiet: bool,
    **places: Any,
) -> None:
    from emgen.study.executor import make_executor
    from emgen.study.run import run_study

    result = run_study(
        study,
        spec,
        out or Path("studies") / f"{study}-{spec.stem}",
        seeds=seeds,
        overrides=overrides,
        settings=_settings(**places),
        executor=make_executor("dask" if scheduler else executor, workers, scheduler),
        quick=quick,
        progress=not quiet,
        command=shlex.join(["emgen", *sys.argv[1:]]) if sys.argv[1:2] == ["study"] else None,
    )
    _tell(result)


def _settings(**places: Any) -> dict[str, Any]:
    """Paths on the command line start at this folder, those in the spec at the spec's."""
    from emgen.model import SHIPPED

    settings: dict[str, Any] = {}
    for name, value in places.items():
        if not value:
            continue
        if isinstance(value, tuple):
            settings[name] = [str(Path(text).absolute()) for text in value]
        else:
            settings[name] = str(value) if str(value) in SHIPPED else str(Path(value).absolute())
    return settings


def _tell(result: StudyResult) -> None:
    for answer in result.summary.answers:
        click.echo(f"- {answer}")
    click.echo(f"report: {result.report}")
    if result.failed:
        names = "; ".join(own.trial.title for own in result.failed)
        click.echo(
            f"{len(result.failed)} of {len(result.results)} trials failed ({names}); the report says why.", err=True
        )
        raise SystemExit(1)
