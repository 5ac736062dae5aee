# ruff: noqa: UP006, UP035, UP045  (annotations that Python 3.6 takes)
"""The microscope's side of EMcopilot in one file: needs Python 3.6 or newer and its standard library, nothing else.

Copy it beside a script, or paste it into the Python of DigitalMicrograph, AutoScript or PyJEM::

    client = Client("http://workstation:8000", token="...")
    client.send_array(image.data, "area-3", pixel_size_nm=0.2)                      # AutoScript, NumPy
    client.send_array(DM.GetFrontImage().GetNumArray(), "front", pixel_size_nm=0.2)  # DigitalMicrograph
    client.send_array(raw, "scan", shape=(512, 512), dtype="<u2")                   # bytes, as PyJEM hands them over
    client.send_file("D:/data/area-4.dm4")
    client.wait_for_mean_diameter(5.0)  # returns when the particles have grown, or shrunk, to 5 nm

On its own it sends what a folder receives, or prints what the service finds; the token is taken from the environment
(``EMGEN_TOKEN``) where it is not given::

    python client.py push D:/data --to http://workstation:8000
    python client.py follow --to http://workstation:8000

A connection that fails, or a service that is away or full, is tried again until it answers (``give_up_after`` limits
that); an upload goes on where it was cut; a body that was sent before is known by its SHA-256 and not taken twice.
"""

import argparse
import collections
import contextlib
import hashlib
import http.client
import io
import json
import math
import os
import random
import re
import socket
import ssl
import stat
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

CHUNK_BYTES = 1 << 20
IN_MEMORY_BYTES = 64 << 20  # a larger file is read twice, for its hash and to send it, instead of being held
FACTS_BYTES = 16000  # they travel as one header line; servers refuse one of 64 kB
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
REPEAT_TELLING_S = 300.0
SILENCE_S = 45.0  # without an event or a heartbeat (each 15 s) the connection is dead
SUFFIXES = (".tif", ".tiff", ".mrc", ".mrcs", ".dm3", ".dm4", ".ser", ".emd", ".png", ".jpg", ".jpeg", ".bmp")

Tell = Callable[[str], Any]
Event = Tuple[int, str, Any]


class ClientError(Exception):
    """Base of what this file raises about the service."""


class Refused(ClientError):
    """The service will never take this frame (unreadable, too large); the text is its reason."""


class NoAccess(ClientError):
    """The token or the host is not let in, or what answers there is no copilot. No frame would be taken."""


class GaveUp(ClientError):
    """Nothing got through for as long as ``give_up_after`` allows, or what was waited for did not come."""


class _Later(Exception):
    """Not now: cut, away, full. ``after_s`` is how long the service asks to wait."""

    def __init__(self, reason: str, after_s: Optional[float] = None) -> None:
        Exception.__init__(self, reason)
        self.after_s = after_s


class Client:
    """Sends frames to a copilot and follows what it finds.

    url: as the service prints it; ``?token=...`` in it is taken as the token. A path (behind a reverse proxy) is kept.
    token: the service's; it goes to this address only, redirects are not followed.
    timeout: seconds that a connection may stand still before it is tried again.
    give_up_after: seconds without progress after which ``GaveUp`` is raised; ``None``: never.
    proxy: ``http://host:port`` to go through. The environment's ``http_proxy`` is not used: instruments and their
        workstations are neighbours, and institutes' proxies do not reach them.
    certificates: a file of certificates to trust, for an https service whose certificate the institute signed.
    tell: is called with a line when something has to be waited for, and when it goes on.

    Threads may share one. Raises ``ValueError`` for a URL that is none.
    """

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        timeout: float = 30.0,
        tell: Tell = print,
        give_up_after: Optional[float] = None,
        proxy: Optional[str] = None,
        certificates: Optional[str] = None,
    ) -> None:
        parts = urlsplit(url if "://" in url else "http://" + url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address of a service: write it like http://workstation:8000")
        self.url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self.token = token or (parse_qs(parts.query).get("token") or [None])[0]  # type: ignore[list-item]
        self.timeout, self.tell, self.give_up_after = timeout, tell, give_up_after
        self._proxy = urlsplit(proxy if "://" in proxy else "http://" + proxy) if proxy else None
        self._tls = ssl.create_default_context(cafile=certificates) if parts.scheme == "https" else None
        self._connection = None  # type: Optional[http.client.HTTPConnection]
        self._lock, self._stopped = threading.Lock(), threading.Event()

    def send_file(self, path: Any, **facts: Any) -> Dict[str, Any]:
        """The frame in the file ``path``; ``facts`` are ``pixel_size_nm`` (over what the file says), ``taken_at`` and
        ``closed_at`` (unix seconds; ``taken_at`` is else when the file was last written), ``name``, ``metadata``.

        Returns the service's answer: ``frames`` (ids), ``known`` (it had them already), and the body's ``sha256``.
        Raises ``OSError`` where the file cannot be read, ``Refused``, ``NoAccess``, ``GaveUp``.
        """
        facts.setdefault("name", os.path.basename(str(path)))
        with open(str(path), "rb") as file:
            about = os.fstat(file.fileno())
            facts.setdefault("taken_at", about.st_mtime)
            if about.st_size <= IN_MEMORY_BYTES:
                return self._upload(io.BytesIO(file.read()), facts)
            return self._upload(file, facts)

    def send_array(self, array: Any, name: str, pixel_size_nm: Optional[float] = None, **facts: Any) -> Dict[str, Any]:
        """A frame of H x W grey values: anything with ``shape``, ``dtype.str`` and ``tobytes()``, as NumPy's arrays, or
        bytes with ``shape=(H, W)`` and ``dtype="<u2"`` (rows from the top, no padding). Facts as for ``send_file``.

        Raises ``ValueError`` for bytes that are not that shape, ``Refused``, ``NoAccess``, ``GaveUp``.
        """
        raw = isinstance(array, (bytes, bytearray, memoryview))
        body = bytes(array) if raw else array.tobytes()
        shape = [int(side) for side in facts.pop("shape", None) or (() if raw else array.shape)]
        dtype = str(facts.pop("dtype", None) or ("" if raw else array.dtype.str))
        _check_array(body, shape, dtype)
        facts.update(name=name, shape=shape, dtype=dtype)
        if pixel_size_nm is not None:
            facts["pixel_size_nm"] = pixel_size_nm
        facts.setdefault("taken_at", time.time())
        return self._upload(io.BytesIO(body), facts)

    def session(self) -> Dict[str, Any]:
        """What the service says about its session. Raises ``NoAccess``, ``GaveUp``."""
        return self._insist("GET", "/session")

    def follow(self, after: Optional[int] = None) -> Iterator[Event]:
        """Each event as (sequence, kind, data), without end; a lost connection is made again and goes on after the
        last one seen. ``after`` is the last sequence known from before; ``None`` leaves the start to the service.

        Raises ``NoAccess``; ``GaveUp`` after ``give_up_after`` seconds without a connection.
        """
        return self._follow(after, None)

    def wait_for_mean_diameter(
        self,
        nm: float,
        frames: int = 3,
        direction: Optional[str] = None,
        after: Optional[int] = None,
        give_up_after: Optional[float] = None,
    ) -> float:
        """Returns once the mean diameter (nm) of the last ``frames`` frames with particles reaches ``nm``.

        direction: ``"grow"``: is or gets above; ``"shrink"``: is or gets below; ``None``: passes through ``nm`` from
            the side on which the first mean lies. Give it where the diameter may have been passed before the call.
        after: see ``follow``. give_up_after: seconds.

        Returns that mean. Raises ``ValueError``, ``GaveUp`` when the time is over, and what ``follow`` raises.
        """
        if direction not in (None, "grow", "shrink") or frames < 1:
            raise ValueError("direction is 'grow', 'shrink' or None, frames at least 1")
        until = None if give_up_after is None else time.monotonic() + give_up_after
        last = collections.OrderedDict()  # type: collections.OrderedDict[Any, float]
        for _, kind, data in self._follow(after, until):
            if kind != "frame" or not _has_diameter(data, self.tell):
                continue
            number = data.get("frame") or 0
            if last and number not in last and number < max(last):
                continue  # one that was skipped and is answered late says nothing about now
            last[number] = float(data["mean_diameter_nm"])  # a frame that is answered anew counts once
            if len(last) > frames:
                last.popitem(last=False)
            if len(last) < frames:
                continue
            mean = sum(last.values()) / frames
            direction = direction or ("grow" if mean < nm else "shrink")
            if mean >= nm if direction == "grow" else mean <= nm:
                return mean
        raise GaveUp(f"the mean diameter did not reach {nm:g} nm within {give_up_after or 0:g} s")

    def stop(self) -> None:
        """From another thread: ends what waits for the service with ``GaveUp``. The client is of no use after it."""
        self._stopped.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _follow(self, after: Optional[int], until: Optional[float]) -> Iterator[Event]:
        """``follow``, that ends at the monotonic time ``until``."""
        patience = _Patience(self, until)
        while until is None or time.monotonic() < until:
            try:
                for sequence, kind, data in self._events(after, patience, until):
                    after = sequence
                    if kind:
                        yield sequence, kind, data
                raise _Later(f"{self.url} ended the stream of events.")
            except _Later as later:
                patience.wait(later)

    def _events(self, after: Optional[int], patience: "_Patience", until: Optional[float]) -> Iterator[Event]:
        """The events of one connection, which is its own: frames can be sent while it stands."""
        silence_s = SILENCE_S if until is None else min(SILENCE_S, max(until - time.monotonic(), 0.01))
        connection = self._connect(silence_s)
        try:
            path = "/events" if after is None else f"/events?after={after}"
            answer = self._ask(connection, "GET", path, None, {"Accept": "text/event-stream"})
            if "event-stream" not in (answer.getheader("Content-Type") or ""):
                _judge(answer, answer.read(), self.url)
                raise _Later(f"{self.url} answers {answer.status} where events were asked for.")
            for event in _parse_events(_lines_of(answer, until), self.tell):
                patience.progress()
                yield event
        except (OSError, http.client.HTTPException) as error:
            raise _later(error, self.url) from error
        finally:
            connection.close()

    def _upload(self, source: Any, facts: Dict[str, Any]) -> Dict[str, Any]:
        """``source``: a seekable binary file. Its place in the service is asked for first, except for what one request
        carries anyway: that costs one trip fewer."""
        size, sha256 = _measure(source)
        headers = {"X-Emgen-Frame": _header(dict(facts, size=size)), "Content-Type": "application/octet-stream"}
        path, patience, state = "/uploads/" + sha256, _Patience(self), _state(source)
        offset, furthest, ask = 0, 0, size > CHUNK_BYTES
        while True:
            try:
                if ask:
                    answer = self._exchange("GET", path)
                else:
                    chunk = _read(source, offset, size, facts["name"])
                    answer = self._exchange("PUT", f"{path}?offset={offset}", chunk, headers)
                if answer.get("state") == "accepted":
                    return {"frames": [], "known": ask, **answer, "sha256": sha256}
                stuck, offset = not ask and _offset(answer, size) <= offset, _offset(answer, size)
                if stuck and _state(source) != state:  # so its SHA-256 is another, and would never fit
                    raise Refused(f"{facts['name']} changed while it was sent.")
                if stuck:  # it has lost what it had, or takes nothing: do not hammer it
                    raise _Later(f"{self.url} stays at byte {offset} of {size}.")
                if offset > furthest and not ask:
                    furthest = offset
                    patience.progress()
                ask = False
            except _Later as later:
                patience.wait(later)
                ask = True

    def _insist(self, method: str, path: str) -> Dict[str, Any]:
        patience = _Patience(self)
        while True:
            try:
                return self._exchange(method, path)
            except _Later as later:
                patience.wait(later)

    def _exchange(
        self, method: str, path: str, body: Optional[bytes] = None, headers: Optional[Dict[str, str]] = None
    ) -> Dict[str, Any]:
        """One request and its JSON answer, over the connection that stands.

        Raises ``_Later``, ``Refused``, ``NoAccess``.
        """
        with self._lock:
            stale = self._connection is not None  # kept from before: the service may have closed it since
            while True:
                if self._connection is None:
                    self._connection = self._connect(self.timeout)
                try:
                    answer = self._ask(self._connection, method, path, body, headers or {})
                    content = answer.read()
                    break
                except (OSError, http.client.HTTPException) as error:
                    self._drop()
                    if not stale or isinstance(error, socket.timeout):
                        raise _later(error, self.url) from error
                    stale = False
        return _judge(answer, content, self.url)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        through = self._proxy or parts
        if self._tls is None:
            return http.client.HTTPConnection(through.hostname or "", through.port, timeout=timeout)
        connection = http.client.HTTPSConnection(
            through.hostname or "", through.port, timeout=timeout, context=self._tls
        )
        if self._proxy:
            connection.set_tunnel(parts.hostname or "", parts.port or 443)
        return connection

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Optional[bytes],
        headers: Dict[str, str],
    ) -> http.client.HTTPResponse:
        whole = self._proxy is not None and self._tls is None
        target = (self.url if whole else urlsplit(self.url).path) + path
        if self.token:
            headers = dict(headers, Authorization="Bearer " + self.token)
        if connection.sock is None:
            connection.connect()
        with contextlib.suppress(ConnectionError):  # one that refuses may close before it has read all: see its answer
            connection.request(method, target, body, headers)
        return connection.getresponse()


class _Patience:
    """Waits between tries: longer each time, by chance a little different from what other clients wait. Tells why."""

    def __init__(self, client: Client, until: Optional[float] = None) -> None:
        self._client, self._until = client, until
        self._since: Optional[float] = None
        self._told: Tuple[str, float] = ("", 0.0)
        self._next_s = FIRST_WAIT_S

    def progress(self) -> None:
        if self._since is not None:
            self._client.tell(f"{self._client.url}: goes on after {time.monotonic() - self._since:.0f} s")
        self._since, self._told, self._next_s = None, ("", 0.0), FIRST_WAIT_S

    def wait(self, later: _Later) -> None:
        """Raises ``GaveUp`` where it has been tried for long enough."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        end = self._end()
        if end is not None and now >= end:
            raise GaveUp(f"{later} Gave up after {now - self._since:.0f} s.") from later
        asked = later.after_s
        wait_s = self._next_s * random.uniform(0.5, 1) if asked is None else asked * random.uniform(1, 1.2)
        self._next_s = min(2 * self._next_s, LONGEST_WAIT_S)
        self._tell(str(later), now)
        left_s = [limit - now for limit in (self._until, end) if limit is not None]
        if self._client._stopped.wait(max(0.0, min([wait_s, *left_s]))):
            raise GaveUp(f"{later} Stopped.") from later

    def _end(self) -> Optional[float]:
        limit = self._client.give_up_after
        return None if limit is None or self._since is None else self._since + limit

    def _tell(self, reason: str, now: float) -> None:
        if self._until is not None and now >= self._until:
            return
        if reason != self._told[0] or now - self._told[1] > REPEAT_TELLING_S:
            self._told = (reason, now)
            self._client.tell(f"{reason} Trying again.")


def _later(error: Exception, url: str) -> Exception:
    """What a failed connection means: to be tried again, except where the certificate is not trusted."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or isinstance(error, ssl.CertificateError):
        return NoAccess(f"{url}: its certificate is not trusted ({error}). Hand its file over as certificates.")
    return _Later(f"{url} cannot be reached ({str(error) or type(error).__name__}).")


def _judge(answer: http.client.HTTPResponse, content: bytes, url: str) -> Dict[str, Any]:
    status = answer.status
    try:
        said = json.loads(content.decode("utf-8"))
    except ValueError:
        said = None
    document: Dict[str, Any] = said if isinstance(said, dict) else {}
    if isinstance(said, dict) and (status in (200, 201) or (status == 409 and "offset" in said)):
        return document
    is_text = (answer.getheader("Content-Type") or "").startswith("text/plain")
    text = content.decode("utf-8", "replace").strip()[:300] if is_text else ""
    reason = str(document.get("reason") or document.get("detail") or text or answer.reason or "no reason given")
    if status in (400, 413, 415, 422, 431):
        raise Refused(reason)
    if status in (200, 201, 408, 409, 425, 429) or status >= 500:
        raise _Later(f"{url} answers {status} ({reason}).", _retry_after(answer))
    if status in (401, 403):
        raise NoAccess(f"{url} does not let us in ({status}, {reason}). Check the token.")
    if 300 <= status < 400:
        to = answer.getheader("Location")
        raise NoAccess(f"{url} points to {to}, which is not followed: the token is not for others. Give that URL.")
    raise NoAccess(f"{url} is no copilot: it answers {status} ({reason}). Check the URL.")


def _retry_after(answer: http.client.HTTPResponse) -> Optional[float]:
    """Seconds; a date, which is allowed too, would need clocks that agree."""
    text = (answer.getheader("Retry-After") or "").strip()
    return min(float(text), REPEAT_TELLING_S) if re.match(r"^\d{1,9}$", text) else None


def _offset(answer: Dict[str, Any], size: int) -> int:
    offset = answer.get("offset")
    if not isinstance(offset, int) or not 0 <= offset <= size:
        raise _Later(f"the service speaks of byte {offset!r} of {size}.")
    return offset


def _measure(source: Any) -> Tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    source.seek(0)
    for block in iter(lambda: source.read(CHUNK_BYTES), b""):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()


def _state(source: Any) -> Optional[Tuple[int, int]]:
    """Size and mtime_ns of what is a file."""
    if isinstance(source, io.BytesIO):
        return None
    about = os.fstat(source.fileno())
    return about.st_size, about.st_mtime_ns


def _read(source: Any, offset: int, size: int, name: str) -> bytes:
    source.seek(offset)
    chunk: bytes = source.read(min(CHUNK_BYTES, size - offset))
    if not chunk and offset < size:
        raise Refused(f"{name} became shorter while it was sent.")
    return chunk


def _header(facts: Dict[str, Any]) -> str:
    """ASCII JSON of one line."""
    name = readable(str(facts["name"]))
    known = {key: value for key, value in facts.items() if value is not None}
    try:
        text = json.dumps(dict(known, name=name), allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: its facts cannot be written as JSON ({error}).") from error
    if len(text) > FACTS_BYTES:
        raise ValueError(f"{name}: its facts take {len(text)} characters, at most {FACTS_BYTES}. Shorten metadata.")
    return text


def readable(name: str) -> str:
    """A file's name may hold what is no text, which no console and no JSON takes."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any) -> Any:
    """Scalars of NumPy by their value, all else as it prints."""
    return value.item() if hasattr(value, "item") else str(value)


def _check_array(body: bytes, shape: List[int], dtype: str) -> None:
    kind = re.match(r"^[<>|=]?[biuf](\d+)$", dtype)
    if len(shape) != 2 or not kind:
        raise ValueError(f"a frame is H x W numbers, not shape {shape!r} of {dtype!r}; for bytes give shape and dtype.")
    if shape[0] * shape[1] * int(kind.group(1)) != len(body):
        raise ValueError(f"{len(body)} bytes are not {shape[0]} x {shape[1]} of {dtype}.")


def _has_diameter(data: Any, tell: Tell) -> bool:
    if not isinstance(data, dict) or data.get("state", "done") != "done" or not data.get("particles"):
        return False
    nm = data.get("mean_diameter_nm")
    if nm is None and data.get("mean_diameter_px", 0) is None:
        return False  # the frame's edge cuts them all
    if nm is None:
        tell(f"{data.get('name')} has no pixel size: its diameter in nm is not known. Send pixel_size_nm.")
    return isinstance(nm, (int, float)) and math.isfinite(nm)


def _lines_of(answer: http.client.HTTPResponse, until: Optional[float]) -> Iterator[str]:
    while until is None or time.monotonic() < until:
        line = answer.readline()
        if not line.endswith(b"\n"):
            return  # cut: half an event is none
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def _parse_events(lines: Iterable[str], tell: Tell) -> Iterator[Event]:
    """Server-sent events of JSON data; comments (the heartbeat) and unknown fields pass.

    A number alone, without data, comes without a kind: it says where a stream begins that nobody gave a start.
    """
    sequence, kind, data, is_numbered = 0, "message", [], False  # type: int, str, List[str], bool
    for line in lines:
        if line:
            field, _, value = line.partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "id" and value.isdigit():
                sequence, is_numbered = int(value), True
            elif field == "event":
                kind = value
            elif field == "data":
                data.append(value)
            continue
        if data:
            try:
                event = (sequence, kind, json.loads("\n".join(data)))
            except ValueError:
                tell(f"event {sequence} ({kind}) is no JSON and passed over.")
            else:
                yield event
        elif is_numbered:
            yield sequence, "", None
        kind, data, is_numbered = "message", [], False


def is_temporary(name: str) -> bool:
    """A name that programs give to what is hidden or not done yet.

    >>> [is_temporary(name) for name in (".x.tif", "~x.tif", "x.tif.part", "x.tif")]
    [True, True, True, False]
    """
    return name.startswith((".", "~")) or name.lower().endswith((".tmp", ".temp", ".part", ".partial", ".crdownload"))


class SentList:
    """Which files of a folder are dealt with: a text file of one JSON line each, so that a restart reads none again.

    A line holds ``name``, ``size``, ``mtime_ns`` and ``sha256``, or ``refused`` with the reason. A file that has
    changed since is not held. ``again`` starts an empty list. Raises ``OSError`` where the file cannot be written.
    """

    def __init__(self, path: str, again: bool = False) -> None:
        self.path = path
        self._held: Dict[str, Tuple[int, int]] = {}
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        lines = [] if again or not os.path.exists(path) else self._load()
        partial = path + ".partial"
        with open(partial, "w", encoding="utf-8") as file:  # without what is outdated, or torn by a power cut
            file.writelines(lines)
        os.replace(partial, path)

    def holds(self, name: str, size: int, mtime_ns: int) -> bool:
        return self._held.get(name) == (size, mtime_ns)

    def add(self, name: str, size: int, mtime_ns: int, sha256: str = "", refused: str = "") -> None:
        self._held[name] = (size, mtime_ns)
        about: Dict[str, Any] = {"name": name, "size": size, "mtime_ns": mtime_ns}
        about.update({"refused": refused} if refused else {"sha256": sha256})
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(about) + "\n")

    def _load(self) -> Iterable[str]:
        latest: Dict[str, str] = {}
        with open(self.path, encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    about = json.loads(line)
                    self._held[about["name"]] = (about["size"], about["mtime_ns"])
                except (ValueError, KeyError, TypeError):
                    continue
                latest[about["name"]] = line.rstrip("\n") + "\n"
        return latest.values()


def sent_list_path(state: str, folder: str, url: str) -> str:
    """The file in the folder ``state`` for what ``folder`` sends to ``url``."""
    key = os.path.realpath(folder) + "\n" + url
    digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    return os.path.join(state, f"sent-{digest[:12]}.jsonl")


def default_state() -> str:
    """The folder of such lists, in the user's home."""
    return os.path.join(os.path.expanduser("~"), ".emgen-push")


def deliver(client: Client, sent: SentList, path: str, seen: Tuple[str, int, int], closed_at: float) -> bool:
    """Sends one file and notes it; ``seen`` is its name, size and mtime_ns when it was found complete.

    Returns whether the service took it. Raises ``OSError`` where it cannot be read (now), ``NoAccess``, ``GaveUp``.
    """
    try:
        answer = client.send_file(path, closed_at=closed_at)
    except Refused as error:
        client.tell(f"{readable(path)} is refused: {error}")
        _note(client, sent, seen, refused=str(error))
        return False
    _note(client, sent, seen, sha256=answer["sha256"])
    return True


def _note(client: Client, sent: SentList, seen: Tuple[str, int, int], sha256: str = "", refused: str = "") -> None:
    try:
        sent.add(*seen, sha256=sha256, refused=refused)
    except OSError as error:
        client.tell(f"{sent.path} cannot be written ({error}): after a restart {seen[0]} is offered again.")


class _Pusher:
    """Looks into a folder now and then and sends what has not changed for ``settle_s``."""

    def __init__(self, folder: str, client: Client, sent: SentList, suffixes: Iterable[str], settle_s: float) -> None:
        self.folder, self.client, self.sent = folder, client, sent
        self.suffixes, self.settle_s = tuple(suffix.lower() for suffix in suffixes), settle_s
        self.refused, self.away = 0, False
        self.waiting: Dict[str, Tuple[int, int, float, float]] = {}  # name: size, mtime_ns, monotonic and unix time

    def look(self) -> None:
        """Raises ``NoAccess``, ``GaveUp``."""
        try:
            names = [name for name in os.listdir(self.folder) if self._wanted(name)]
        except OSError as error:
            if not self.away:
                self.client.tell(f"{self.folder} cannot be looked into ({error}). Waiting for it.")
            self.away = True
            return
        self.away = False
        present = dict(filter(None, map(self._seen, names)))
        self.waiting = {
            name: self._since(name, *seen) for name, seen in present.items() if not self.sent.holds(name, *seen)
        }
        for name in sorted(self.waiting, key=lambda name: self.waiting[name][1]):
            if time.monotonic() - self.waiting[name][2] >= self.settle_s:
                self._send(name)

    def _wanted(self, name: str) -> bool:
        return name.lower().endswith(self.suffixes) and not is_temporary(name)

    def _seen(self, name: str) -> Optional[Tuple[str, Tuple[int, int]]]:
        try:  # asked of the file itself: what Windows lists of a folder is out of date while a file is written
            about = os.stat(os.path.join(self.folder, name))
        except OSError:
            return None
        return (name, (about.st_size, about.st_mtime_ns)) if stat.S_ISREG(about.st_mode) else None

    def _since(self, name: str, size: int, mtime_ns: int) -> Tuple[int, int, float, float]:
        before = self.waiting.get(name)
        return before if before and before[:2] == (size, mtime_ns) else (size, mtime_ns, time.monotonic(), time.time())

    def _send(self, name: str) -> None:
        size, mtime_ns, _, closed_at = self.waiting[name]
        path = os.path.join(self.folder, name)
        try:
            self.refused += not deliver(self.client, self.sent, path, (name, size, mtime_ns), closed_at)
        except OSError as error:  # gone, or held by the program that writes it: later
            self.client.tell(f"{readable(path)} cannot be read now ({error}).")
            self.waiting[name] = (size, mtime_ns, time.monotonic() + 5, closed_at)
        else:
            del self.waiting[name]


def push(
    folder: str,
    client: Client,
    sent: SentList,
    suffixes: Iterable[str] = SUFFIXES,
    settle_s: float = 1.0,
    period_s: float = 0.5,
    once: bool = False,
) -> int:
    """Sends what lies and arrives in ``folder`` (not below it), without end; ``once``: until all is sent.

    Returns how many the service refused. Raises ``NoAccess``, ``GaveUp``.
    """
    client.session()  # a wrong token or address is told now, not with the first file
    pusher = _Pusher(folder, client, sent, suffixes, settle_s)
    while True:
        start = time.monotonic()
        pusher.look()
        if once and not pusher.waiting and not pusher.away:
            return pusher.refused
        time.sleep(max(period_s, min(4 * (time.monotonic() - start), 10.0)))  # leaves a slow share time for others


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="client.py", description="The microscope's side of EMcopilot.")
    commands = parser.add_subparsers(dest="command")
    pushing = commands.add_parser("push", help="send what a folder holds and receives")
    pushing.add_argument("folder", metavar="DIR")
    pushing.add_argument("--settle", type=float, default=1.0, metavar="S", help="a file is done when unchanged so long")
    pushing.add_argument("--period", type=float, default=0.5, metavar="S", help="between two looks into the folder")
    pushing.add_argument("--suffix", action="append", metavar=".EXT", help="files to send, instead of the usual ones")
    pushing.add_argument("--state", default=default_state(), metavar="DIR", help="where the list of sent files is kept")
    pushing.add_argument("--again", action="store_true", help="forget what was sent")
    pushing.add_argument("--once", action="store_true", help="end when all is sent")
    following = commands.add_parser("follow", help="print each event as a line of JSON")
    following.add_argument("--after", type=int, metavar="SEQ", help="the last event known")
    for command in (pushing, following):
        command.add_argument("--to", required=True, metavar="URL", help="the service, as it prints its address")
        command.add_argument("--token", default=os.environ.get("EMGEN_TOKEN"), help="else from EMGEN_TOKEN")
        command.add_argument("--give-up-after", type=float, metavar="S", help="else it tries for ever")
        command.add_argument("--proxy", metavar="URL", help="go through it; http_proxy is not used")
        command.add_argument("--certificates", metavar="FILE", help="certificates to trust, for https")
    return parser


def _run(options: argparse.Namespace) -> int:
    client = Client(
        options.to,
        options.token,
        tell=lambda line: print(line, file=sys.stderr),
        give_up_after=options.give_up_after,
        proxy=options.proxy,
        certificates=options.certificates,
    )
    if options.command == "push":
        sent = SentList(sent_list_path(options.state, options.folder, client.url), options.again)
        suffixes = options.suffix or SUFFIXES
        refused = push(options.folder, client, sent, suffixes, options.settle, options.period, options.once)
        return 1 if refused else 0
    for sequence, kind, data in client.follow(options.after):
        print(json.dumps({"sequence": sequence, "event": kind, "data": data}), flush=True)
    return 0


def main(arguments: Optional[List[str]] = None) -> int:
    """Returns 0: all well, 1: some files were refused, 2: the call or the access is wrong, 130: interrupted."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    if not options.command:
        parser.error("push or follow?")
    try:
        return _run(options)
    except (ClientError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__" and len(getattr(sys, "argv", [])) > 1:  # pasted into a program, it is called with nothing
    sys.exit(main())
