"""The ``emgen`` command. Each command lives in a file of its own and is imported when it is called, not before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from emgen import __version__
from emgen.errors import EmgenError

COMMANDS = {
    "demo": "The whole tandem on phantom micrographs that it makes.",
    "init": "Write a commented spec for your micrographs.",
    "info": "What image files hold: shape, depth, pixel size.",
    "doctor": "What is wrong with a set of micrographs, and with labels of them.",
    "run": "From micrographs to a model; run again, it resumes.",
    "validate": "Check a spec without running it.",
    "schema": "Print the JSON schema of a spec, for editor completion.",
    "plugins": "What is installed, what is broken; check or start a plugin.",
    "segment": "Segment micrographs with a model: masks, labels, particle table.",
    "measure": "Measure masks from anywhere: particle table, size distribution.",
    "track": "Follow particles through an in-situ series.",
    "score": "Distribution scores of generated against real images.",
    "evaluate": "Pixel and particle scores of predicted against true masks.",
    "study": "The paper's comparisons: many runs, one report.",
    "copilot": "Segmentation and size distribution live, beside the microscope.",
    "export": "The model, or the virtual data set, for use elsewhere.",
    "report": "Write the HTML report of a run again.",
    "cache": "List, explain and prune stored artifacts.",
}
"""Name to one line of help. ``emgen.cli.<name>`` exports a click command ``command``."""


class _Shown(click.ClickException):
    """An error made for users, as click prints it: its text on standard error, then its exit status."""

    def __init__(self, error: EmgenError) -> None:
        super().__init__(str(error))
        self.exit_code = error.exit_code  # type: ignore[misc]  # click annotates it as a class variable


class LazyGroup(click.Group):
    """Lists commands from a table, so that ``emgen --help`` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"emgen.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Errors made for users end as one text; everything else keeps its traceback."""
        try:
            return super().invoke(ctx)
        except EmgenError as error:
            raise _Shown(error) from error


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--no-plugins", is_flag=True, help="Load no third-party plugin, only those that come with emgen.")
@click.version_option(__version__, prog_name="emgen")
@click.pass_context
def main(ctx: click.Context, no_plugins: bool) -> None:
    """Label-free training data and segmentation models for electron micrographs."""
    if no_plugins:
        from emgen.host.selection import without_plugins

        ctx.with_resource(without_plugins())
