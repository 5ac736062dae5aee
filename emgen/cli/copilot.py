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
    default=None,
    show_default="as the session was left; all at first",
    help="Of more frames than can be answered: all of them in order, or always the newest.",
)
@click.option("--pixel-size", type=click.FloatRange(min=0, min_open=True), metavar="NM", help="Of all frames.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
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


@command.command("push")
@click.option(
    "--watch", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder that frames appear in."
)
@click.option("--to", required=True, metavar="URL", help="Of the service, e.g. http://gpu-pc:8380.")
@click.option("--token", envvar="EMGEN_COPILOT_TOKEN", help="That the service asks for.")
@click.option("--poll", is_flag=True, help="Look at the folder again and again: network shares send no events.")
def push(watch: Path, to: str, token: str | None, poll: bool) -> None:
    """On the microscope's computer: send frames to a service elsewhere as they are saved.

    Where emgen cannot be installed, emgen/copilot/client.py is one file that needs Python 3.6 and nothing else.
    """
    import asyncio
    from contextlib import suppress

    from emgen.copilot.push import Pushed
    from emgen.copilot.push import push as run

    pushed = Pushed()
    with suppress(KeyboardInterrupt):
        asyncio.run(run(watch, to, token=token, poll=poll, pushed=pushed, tell=click.echo))
    click.echo(f"{pushed.taken} files sent, {pushed.refused} refused, {pushed.unreadable} not readable")


@command.command("export")
@click.argument("session", type=click.Path(path_type=Path, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the results.")
@click.option("--only", multiple=True, metavar="FILE", help="One of the files; may be given again. By default all.")
def export(session: Path, out: Path, only: tuple[str, ...]) -> None:
    """Take away what a session holds: particles, frames, masks, a report, a video. A service may have it open."""
    from emgen.copilot.exports import KINDS, export_session

    for path in export_session(session, only or tuple(KINDS), out, tell=click.echo):
        click.echo(str(path))


def _size(ctx: click.Context, param: click.Parameter, text: str) -> int | tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not height.isdigit() or (width and not width.isdigit()):
        raise click.BadParameter(f"{text!r}: a side such as 2048, or HEIGHTxWIDTH")
    return (int(height), int(width)) if width else int(height)


@command.command("simulate")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the frames.")
@click.option(
    "--truth", type=click.Path(path_type=Path, file_okay=False), help="Folder of the truth; by default OUT-truth."
)
@click.option("--frames", type=click.IntRange(0), default=100, show_default=True, help="How many; 0 without end.")
@click.option(
    "--every",
    "interval_s",
    type=float,
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="From one frame to the next.",
)
@click.option("--size", "size_px", callback=_size, default="2048", show_default=True, help="Side, or HEIGHTxWIDTH, px.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--modality", type=click.Choice(["haadf-stem", "bf-tem"]), default="haadf-stem", show_default=True)
@click.option("--particles", type=int, default=600, show_default=True, help="In the field of view.")
@click.option(
    "--diameter", "diameter_nm", type=float, default=5.6, show_default=True, metavar="NM", help="Median at the start."
)
@click.option("--pixel-size", "pixel_size_nm", type=float, default=0.2, show_default=True, metavar="NM")
@click.option("--growth", type=float, default=0.0, show_default=True, metavar="PX", help="Of each diameter, a frame.")
@click.option(
    "--coalescences", type=float, default=0.0, show_default=True, help="Pairs a frame that set out to become one."
)
@click.option("--drift", type=float, default=1.0, show_default=True, metavar="PX", help="Of the stage, a frame.")
@click.option("--defocus", type=float, default=0.0, show_default=True, metavar="PX", help="Of blur more, a frame.")
@click.option("--dose", type=float, help="Counts at the support's mean brightness.")
@click.option("--dose-ramp", type=float, default=1.0, show_default=True, help="Factor of the dose from frame to frame.")
@click.option("--change-at", type=int, metavar="FRAME", help="First frame of another modality.")
@click.option("--change-to", "change_modality", type=click.Choice(["haadf-stem", "bf-tem"]), help="That modality.")
@click.option("--format", "suffix", type=click.Choice(["tif", "mrc"]), default="tif", show_default=True)
@click.option(
    "--faults",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of files that are half-written, garbage, empty, …",
)
@click.option("--atomic", is_flag=True, help="A file is there when it is whole; by default it grows under its name.")
@click.option("--truth-labels/--no-truth-labels", "labels", default=True, show_default=True)
def simulate(out: Path, truth: Path | None, frames: int, suffix: str, **others: Any) -> None:
    """A microscope that is not there: phantom frames of a sintering catalyst at a pace, and their truth."""
    from emgen.copilot.simulator import simulate as run
    from emgen.copilot.simulator import simulation

    settings = simulation(frames=frames or None, suffix=f".{suffix}", **others)
    made = run(out, settings, truth=truth, tell=click.echo)
    click.echo(f"{made.frames} frames in {out}; {made.late} late, by {made.latest_s:.2f} s at most")
