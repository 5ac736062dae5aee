"""The page of ``emgen copilot serve``: everything in it is served by the service itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

    from emgen.copilot.service import Service

TITLE = "EMcopilot"
STRONG = "#1b5f99"
"""Ground of the buttons that are most likely wanted; white on it has a contrast of 6.7, by day and by night."""
RECONNECT_S = 60.0
"""A browser that was cut off for less goes on where it was; after that it starts anew."""
_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='6' fill='#10161c'/>"
    "<circle cx='16' cy='16' r='9' fill='#7a8794' stroke='#ffb000' stroke-width='3'/></svg>"
)


def add_page(app: FastAPI, service: Service) -> None:
    """At ``/``. One page a process: a later call replaces the page of an earlier one."""
    import nicegui
    from nicegui import ui

    from emgen.copilot.page.facts import Facts
    from emgen.copilot.page.viewer import Viewer

    facts = Facts(service)
    nicegui.app.on_startup(facts.warm_up)
    style = Path(__file__).with_name("style.css").read_text()

    @ui.page("/", title=TITLE)
    async def page() -> None:
        ui.add_css(style)
        ui.colors(primary=STRONG)
        viewer = Viewer(facts)
        client = ui.context.client
        await client.connected()
        if client.has_socket_connection:  # else it was closed before it had opened
            await viewer.start()

    ui.run_with(
        app,
        title=TITLE,
        favicon=_ICON,
        dark=None,
        language="en-US",
        tailwind=False,
        reconnect_timeout=RECONNECT_S,
        binding_refresh_interval=None,
        message_history_length=200,
        show_welcome_message=False,
    )
