"""``emgen cache``: list, explain and prune stored artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from emgen.engine.cache import Store

_store = click.option(
    "--cache",
    envvar="EMGEN_CACHE",
    required=True,
    type=click.Path(path_type=Path),
    help="The store: a run folder, its stages/, or what `emgen run --cache` was given (EMGEN_CACHE).",
)


@click.group("cache")
def command() -> None:
    """List, explain and prune stored artifacts."""


@command.command("list")
@_store
def list_(cache: Path) -> None:
    """Every artifact: size, when it was made, by which plugin; unfinished ones too."""
    from emgen.engine.cache import folder_bytes

    store = _opened(cache)
    for artifact in store.artifacts():
        maker = artifact.manifest["recipe"]["maker"]
        size = _mib(folder_bytes(artifact.folder))
        made = f"{artifact.manifest['created']}  {maker['plugin']} ({maker['distribution']} {maker['version']})"
        click.echo(f"{artifact.folder.name:<34} {size:>12}  {made}")
    for partial in store.partials():
        state = "being written" if store.is_busy(partial) else "unfinished, resumes"
        click.echo(f"{partial.name:<34} {_mib(folder_bytes(partial)):>12}  {state}")


@command.command()
@_store
@click.argument("name")
def why(cache: Path, name: str) -> None:
    """Why artifact NAME (a folder name, its beginning, or a slot) is another one than the nearest of its slot."""
    from emgen.engine.explain import why

    explanation = why(_opened(cache), name)
    if explanation.nearest is None:
        click.echo(f"{explanation.name}: the only one of its slot")
        return
    click.echo(f"{explanation.name} differs from {explanation.nearest} in")
    for difference in explanation.differences:
        click.echo(f"  {difference.part}: {_short(difference.here)} instead of {_short(difference.there)}")


@command.command()
@_store
@click.option("--partial-days", default=7.0, show_default=True, help="Unfinished ones go when untouched for so long.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--all", "everything", is_flag=True, help="Keep nothing.")
def prune(cache: Path, partial_days: float, dry_run: bool, everything: bool) -> None:
    """Remove what no run's manifest reaches."""
    from emgen.engine.prune import prune

    pruned = prune(_opened(cache), partial_days=partial_days, dry_run=dry_run, everything=everything)
    for folder in pruned.folders:
        click.echo(folder.name)
    click.echo(f"{'would free' if dry_run else 'freed'} {_mib(pruned.bytes)} in {len(pruned.folders)} artifacts")


def _opened(cache: Path) -> Store:
    """A run folder stands for its own store. Raises ``OutputError`` where there is none."""
    from emgen.engine.cache import STAGES, Store
    from emgen.errors import OutputError

    root = cache / STAGES if (cache / STAGES).is_dir() else cache
    if not root.is_dir():
        raise OutputError(f"{cache}: no such folder. Give a run folder, or the store that `emgen run --cache` used.")
    return Store(root)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _mib(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
