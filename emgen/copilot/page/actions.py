"""What a click does: one thing at a time, and what goes wrong is said on the page."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import Client, ui
from nicegui.elements.mixins.text_element import TextElement

from emgen.errors import EmgenError

LOG = logging.getLogger(__name__)


async def attempt(client: Client, work: Callable[[], Awaitable[Any] | Any], done: str = "") -> bool:
    """Runs ``work``; ``done`` is said afterwards, and so is why it could not be done. Whether it was."""
    try:
        result = work()
        if isinstance(result, Awaitable):
            await result
    except EmgenError as error:
        _say(client, str(error), "negative")
        return False
    except Exception as error:
        LOG.exception("an action of the page failed")
        _say(client, f"That did not work ({type(error).__name__}: {error}).", "negative")
        return False
    if done:
        _say(client, done, None)
    return True


def _say(client: Client, text: str, kind: Any) -> None:
    with client:
        ui.notify(text, type=kind, position="bottom", multi_line=True, close_button="Close")


def button(
    text: str, on_click: Callable[[], Any], *, icon: str = "", strong: bool = False, hint: str = ""
) -> ui.button:
    """A quiet button; ``strong``: the one that is most likely wanted. ``hint`` is shown on hovering and read out."""
    made = ui.button(text, on_click=on_click, icon=icon or None)
    made.props("no-caps unelevated" if strong else "no-caps outline color=ink")
    if hint:
        made.props["aria-label"] = hint
        made.props["title"] = hint
    return made


class Text(TextElement):
    """Text under a tag of its own (``h1``, ``dt``); never markup."""

    def __init__(self, tag: str, text: str = "") -> None:
        super().__init__(tag=tag, text=text)


def box(tag: str, classes: str) -> ui.element:
    return ui.element(tag).classes(classes)
