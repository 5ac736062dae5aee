"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def workers_options(what: str) -> Callable[[Command], Command]:
    """``--workers`` and ``--scheduler``. ``what``: is done side by side, in the plural."""

    def add(command: Command) -> Command:
        command = click.option(
            "--scheduler", metavar="ADDRESS", help="Use the workers of a Dask cluster, e.g. tcp://node1:8786."
        )(command)
        return click.option(
            "--workers",
            type=click.IntRange(min=1),
            default=1,
            show_default=True,
            help=f"{what} at the same time, in so many processes.",
        )(command)

    return add
