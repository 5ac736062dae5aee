"""``emgen copilot``: the live service, the microscope's side of it, and a simulated microscope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.group("copilot")
def command() -> None:
    """Segmentation and size distribution live, beside the microscope."""


@command.command("serve")
@click.argument("model")
@click.option("--watch", type=click.Path(path_type=Path, file_okay=False), help="Folder that frames appear in.")
@click.option("--poll", is_flag=True, help="Look at the folder again and again: network shares send no events.")
@click.option(
    "--session",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("copilot"),
    show_default=True,
    help="Folder of the session: journal, frames, results. One that is there goes on.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; any but loopback needs --token."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8380, show_default=True)
@click.option("--token", envvar="EMGEN_COPILOT_TOKEN", help="What pages and scripts must know.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Another name that the service is reached by.")
@click.option(
    "--policy",
    type=click.Choice(["all", "newest"]),
    default="all",
    show_default=True,
    help="Of more frames than can be answered: all of them in order, or always the newest.",
)
@click.option("--pixel-size", type=click.FloatRange(min=0, min_open=True), metavar="NM", help="Of all frames.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Share of frames of the model's own domain that may exceed the alarm's threshold.",
)
@click.option(
    "--adapt-minutes", type=click.FloatRange(min=1), default=15.0, show_default=True, help="Time for an adaptation."
)
@click.option(
    "--upload-limit",
    type=click.FloatRange(min=0.001),
    default=1000.0,
    show_default=True,
    metavar="MB",
    help="Of one frame.",
)
@click.option(
    "--reserve",
    type=click.FloatRange(min=0),
    default=1000.0,
    show_default=True,
    metavar="MB",
    help="Kept free on the disk.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "float32"]), default="auto", show_default=True)
def serve(
    model: str,
    session: Path,
    allow_host: tuple[str, ...],
    upload_limit: float,
    reserve: float,
    pixel_size: float | None,
    **others: Any,
) -> None:
    """Answer frames with MODEL as they come in: a run's model/ folder, or `pretrained`; and show them on a page."""
    from emgen.copilot.serve import serve as run
    from emgen.copilot.settings import Settings
    from emgen.host import load_host
    from emgen.model import reading_host

    megabyte = 1_000_000
    settings = Settings(
        model=model,
        root=session,
        allowed_hosts=allow_host,
        limit=int(upload_limit * megabyte),
        reserve=int(reserve * megabyte),
        pixel_size_nm=pixel_size,
        **others,
    )
    run(settings, reading_host(model, load_host()), click.echo)
