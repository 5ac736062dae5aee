"""``emgen copilot push``: sends a folder's new files to a service on another machine.

What ``client.py push`` does where there is Python alone, sooner: the file system's events tell of files, nobody has to
look for them, so a file is on its way as soon as it has settled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emgen.copilot.client import (
    SUFFIXES,
    Client,
    ClientError,
    SentList,
    default_state,
    deliver,
    readable,
    sent_list_path,
)
from emgen.copilot.grace import complete
from emgen.copilot.watch import Arrival, arrivals
from emgen.errors import OutputError, PushError

Answer = TypeVar("Answer")

_UNREADABLE_TRIES = 5
_UNREADABLE_WAIT_S = 0.5


@dataclass(slots=True)
class Pushed:
    """What became of the files: taken by the service, refused by it, unreadable here."""

    taken: int = 0
    refused: int = 0
    unreadable: int = 0


async def push(
    folder: Path,
    url: str,
    *,
    token: str | None = None,
    poll: bool = False,
    settle_s: float = 0.2,
    grace_s: float = 10.0,
    suffixes: Collection[str] = SUFFIXES,
    subfolders: bool = False,
    state: Path | None = None,
    again: bool = False,
    give_up_after: float | None = None,
    proxy: str | None = None,
    certificates: Path | None = None,
    pushed: Pushed | None = None,
    tell: Callable[[str], None] = print,
) -> Pushed:
    """Sends what lies and arrives in ``folder``, without end: cancel it to end it; ``pushed`` is counted up meanwhile.

    One file after the other, the oldest first; a service that is away is waited for, ``give_up_after`` seconds at most.
    What was sent is noted in the folder ``state`` (in the home, if ``None``), so that a restart sends nothing twice;
    ``again`` forgets that. A file that no reader accepts is sent after ``grace_s``, as its writer may have paused; 0:
    all are sent as soon as they have settled. ``token``, ``proxy``, ``certificates``: see ``Client``. The rest: see
    ``arrivals``.

    Raises ``PushError`` naming the service, ``OutputError`` where ``state`` cannot be written.
    """
    pushed = Pushed() if pushed is None else pushed
    try:
        client = Client(
            url,
            token,
            tell=tell,
            give_up_after=give_up_after,
            proxy=proxy,
            certificates=None if certificates is None else str(certificates),
        )
    except (ValueError, OSError) as error:
        raise PushError(f"{url}: {error}") from error
    sent = _sent_list(state or Path(default_state()), folder, client, again)
    known = lambda path, size, mtime_ns: sent.holds(_name(path, folder), size, mtime_ns)
    found = arrivals(
        folder, poll=poll, settle_s=settle_s, suffixes=suffixes, known=known, subfolders=subfolders, tell=tell
    )
    try:
        await _in_thread(client.session)  # a wrong token or address is told now, not with the first file
        async with aclosing(found), aclosing(complete(found, grace_s) if grace_s else found) as files:
            async for arrival in files:
                await _push_one(arrival, client, sent, folder, pushed)
    finally:
        client.stop()  # else a thread that waits for the service outlives the one who cancelled
    return pushed


async def _in_thread(call: Callable[..., Answer], *arguments: object) -> Answer:
    """Raises ``PushError`` for the client's errors."""
    try:
        return await asyncio.to_thread(call, *arguments)
    except ClientError as error:
        raise PushError(str(error)) from error


async def _push_one(arrival: Arrival, client: Client, sent: SentList, folder: Path, pushed: Pushed) -> None:
    """A file that cannot be read is tried again a few times: on Windows its writer may still hold it."""
    seen = (_name(arrival.path, folder), arrival.size, arrival.mtime_ns)
    for tried in range(1, _UNREADABLE_TRIES + 1):
        try:
            is_taken = await _in_thread(deliver, client, sent, str(arrival.path), seen, arrival.closed_at)
        except FileNotFoundError:
            client.tell(f"{readable(str(arrival.path))} is gone before it was sent.")
            break
        except OSError as error:
            if tried == _UNREADABLE_TRIES:
                name = readable(str(arrival.path))
                client.tell(f"{name} cannot be read ({error}). It is sent when it changes, or after a restart.")
            await asyncio.sleep(_UNREADABLE_WAIT_S)
        else:
            pushed.taken += is_taken
            pushed.refused += not is_taken
            return
    pushed.unreadable += 1


def _sent_list(state: Path, folder: Path, client: Client, again: bool) -> SentList:
    path = sent_list_path(str(state), str(folder), client.url)
    try:
        return SentList(path, again)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error}). Name another folder for the state.") from error


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
