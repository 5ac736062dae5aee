"""``emgen init``: write a commented spec."""

from __future__ import annotations

import os
from pathlib import Path

import click

from emgen.errors import NoImagesError, OutputError


@click.command("init")
@click.option("--modality", metavar="NAME", help="How the micrographs were taken, e.g. haadf-stem or bf-tem.")
@click.option("--images", metavar="GLOB", help='The micrographs: a file, a folder or a quoted glob, e.g. "raw/*.tif".')
@click.option("--preset", type=click.Choice(["quick", "paper"]), default="quick", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write here instead of standard output.")
@click.argument("more", nargs=-1, required=False, metavar="")
def command(modality: str | None, images: str | None, preset: str, out: Path | None, more: tuple[str, ...]) -> None:
    """Print a commented spec. Unedited it is a good run on an ordinary machine; try `emgen run` on it."""
    from emgen.host import load_host
    from emgen.spec.template import init_spec

    if more:
        raise click.UsageError(f'Too many words ({" ".join(more[:3])} ...). Quote the glob: --images "folder/*.tif".')
    host = load_host()
    text = init_spec(modality, _seen_from(images, out), host, preset)
    if images is not None:
        _warn_if_nothing(images)
    if out is None:
        click.echo(text, nl=False)
        return
    _write(text, out)
    click.echo(f"{out} written. Next: emgen validate {out}, then emgen run {out}", err=True)


def _seen_from(images: str | None, out: Path | None) -> str | None:
    """The pattern as it must be written in ``out``: relative to that file's folder, not to this one."""
    if images is None or out is None or Path(os.path.expandvars(images)).expanduser().is_absolute():
        return images
    folder = out.absolute().parent
    return images if folder == Path.cwd() else os.path.relpath(images, folder)


def _warn_if_nothing(images: str) -> None:
    from emgen.data.discover import expand_images

    try:
        expand_images([images], Path.cwd())
    except NoImagesError as error:
        click.echo(f"Note: {error}", err=True)


def _write(text: str, out: Path) -> None:
    if out.exists():
        raise OutputError(f"{out} exists already. Remove it, or name another file.")
    if out.suffix.lower() not in (".yaml", ".yml"):
        raise OutputError(f"{out}: a commented spec is YAML; end the name in .yaml.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}).") from error
