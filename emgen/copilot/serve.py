"""One process to start: service, interface and page."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from emgen.copilot.settings import Settings
from emgen.errors import OutputError, PreflightError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from emgen.copilot.service import Service
    from emgen.host import Host


def make_app(service: Service) -> FastAPI:
    """The server of a service. Nothing in it is fetched from elsewhere: no page of documentation, which would be."""
    from fastapi import FastAPI

    from emgen import __version__
    from emgen.copilot.access import Access
    from emgen.copilot.routes import add_routes

    settings = service.settings
    app = FastAPI(
        title="emgen copilot",
        version=__version__,
        summary="Frames in, particles and size distributions out, live.",
        docs_url=None,
        redoc_url=None,
    )
    add_routes(app, service)
    if settings.page:
        from emgen.copilot.page import add_page

        add_page(app, service)
    app.add_middleware(Access, token=settings.token, hosts=(*settings.allowed_hosts, *_named(settings.host)))
    return app


def _named(host: str) -> tuple[str, ...]:
    """``0.0.0.0`` is no name that anybody calls; the machine's own are."""
    if host not in ("0.0.0.0", "::"):
        return (host,)
    import socket

    name = socket.gethostname()
    with contextlib.suppress(OSError):
        return (name, socket.getfqdn(), *{str(found[4][0]) for found in socket.getaddrinfo(name, None)})
    return (name,)


def serve(settings: Settings, host: Host, tell: Callable[[str], None] = print) -> None:
    """Until interrupted. Raises ``PreflightError`` without the extra, ``OutputError`` where the port is taken."""
    try:
        import nicegui  # noqa: F401
        import watchfiles  # noqa: F401
    except ImportError as error:
        raise PreflightError(f"emgen copilot needs {error.name}: pip install 'emgen[copilot]'") from error
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):  # told when all has ended in good order
        asyncio.run(_serve(settings, host, tell))


async def _serve(settings: Settings, host: Host, tell: Callable[[str], None]) -> None:
    import uvicorn

    from emgen.copilot.service import Service

    socket = _bound(settings.host, settings.port)
    _end_when_asked()
    tell(f"loading {settings.model} …")
    async with Service(settings, host, tell) as service:
        config = uvicorn.Config(
            make_app(service),
            log_level="warning",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=75,
            ws_max_size=1 << 20,
            lifespan="on",
        )
        server = uvicorn.Server(config)
        tell(f"emgen copilot: {address(settings)}  (Ctrl-C ends it; the session stays in {settings.root})")
        async with _running(service.run()) as work:
            serving = asyncio.create_task(server.serve(sockets=[socket]))
            await asyncio.wait({serving, work}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            if work.done():
                work.result()


def _end_when_asked() -> None:
    """``SIGTERM``, by which a service manager stops what it runs, ends this task in as good an order as Ctrl-C."""
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    assert own is not None
    with contextlib.suppress(ValueError):  # signals belong to the main thread
        signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(own.cancel))


def address(settings: Settings) -> str:
    """To open in a browser."""
    name = "localhost" if settings.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else settings.host
    token = f"/?token={settings.token}" if settings.token else "/"
    return f"http://{name}:{settings.port}{token}"


def _bound(host: str, port: int) -> Any:
    """Before the model is loaded. Raises ``OutputError``."""
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: asyncio sends small answers without delay (TCP_NODELAY) only where the socket says that it is.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # on Windows it would let two services have one port
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except OSError as error:
        made.close()
        raise OutputError(f"--port {port}: {host} cannot be listened on ({error}). Choose another --port.") from error
    return made


@contextlib.asynccontextmanager
async def _running(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
