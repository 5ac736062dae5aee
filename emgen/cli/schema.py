"""``emgen schema``: the JSON schema of a spec, with every installed plugin's settings."""

from __future__ import annotations

import json
from pathlib import Path

import click

from emgen.errors import OutputError


@click.command("schema")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write here instead of standard output.")
def command(out: Path | None) -> None:
    """Print the JSON schema of a spec for what is installed here.

    An editor with a YAML language server completes and checks a spec that begins with
    `# yaml-language-server: $schema=emgen.schema.json`.
    """
    from emgen.host import load_host
    from emgen.spec.schema import spec_schema

    host = load_host()
    text = json.dumps(spec_schema(host), indent=2, ensure_ascii=False)
    for failure in host.failures:
        click.echo(f"Note: left out: {failure}", err=True)
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}).") from error
