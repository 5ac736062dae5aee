"""Light or dark: as the system is, until one is chosen; the browser remembers which."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from emgen.copilot.page.actions import button

_NEXT: dict[bool | None, bool | None] = {None: True, True: False, False: None}
_ICON = {None: "brightness_auto", True: "dark_mode", False: "light_mode"}
_NAME = {None: "as the system", True: "dark", False: "light"}
_KEY = "emgen-copilot-dark"


class ThemeButton:
    """``changed``: called after a choice, as charts have to be drawn anew."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed, self._dark = changed, ui.dark_mode(None)

    def button(self) -> None:
        self._button = button("", self._toggle)
        self._label()

    async def recall(self) -> None:
        """What this browser chose before."""
        kept = await ui.run_javascript(f"localStorage.getItem('{_KEY}')", timeout=5)
        if kept in ("true", "false"):
            self._set(kept == "true")

    def _toggle(self) -> None:
        self._set(_NEXT[self._dark.value])
        word = "" if self._dark.value is None else str(self._dark.value).lower()
        ui.run_javascript(f"localStorage.setItem('{_KEY}', '{word}')")

    def _set(self, dark: bool | None) -> None:
        self._dark.value = dark
        self._label()
        self._changed()

    def _label(self) -> None:
        hint = f"Colours: {_NAME[self._dark.value]}"
        self._button.set_icon(_ICON[self._dark.value])
        self._button.props["aria-label"] = self._button.props["title"] = hint
