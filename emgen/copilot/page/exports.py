"""The menu of what can be taken away from a session."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from emgen.copilot.page.actions import attempt, button
from emgen.copilot.service import Service


class ExportMenu:
    """Of ``service.exports``: a click makes the file of now, and the browser saves it."""

    def __init__(self, service: Service) -> None:
        self._exports: Any = getattr(service, "exports", None)
        self._client = ui.context.client
        if self._exports is None:
            return
        with button("Export", lambda: None, icon="download"), ui.menu().props("auto-close"):
            for kind, words in self._exports.kinds.items():
                with ui.menu_item(on_click=partial(self._make, kind)).classes("two-lines"):
                    ui.label(kind)
                    ui.label(words).classes("quiet")

    async def _make(self, kind: str) -> None:
        with self._client:
            waiting = ui.notification(f"Making {kind} …", spinner=True, timeout=None, position="bottom")
        try:
            if await attempt(self._client, lambda: self._exports.make(kind)):
                with self._client:
                    ui.download.from_url(f"/exports/{kind}")
        finally:
            waiting.dismiss()
