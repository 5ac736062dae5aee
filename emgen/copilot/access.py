"""Who may talk to the service. In front of everything, pages and sockets included.

A web page elsewhere can make a browser send requests to ``localhost``; it can even give its own name that address (DNS
rebinding). So a request must name the service in ``Host``, and where a browser says which page it comes from
(``Origin``), that must be the service's own. On any address but loopback a token is asked for as well, and it may be
on loopback: in ``Authorization: Bearer``, in a cookie, or once in the address (``?token=``), which sets the cookie.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

COOKIE = "emgen_token"
_NEEDED = "A token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN to open the page."
_OWN = {"localhost", "127.0.0.1", "::1"}


class Access:
    """ASGI middleware. ``hosts``: names that the service is reached by, besides those of loopback."""

    def __init__(self, app: Any, *, token: str | None, hosts: Iterable[str] = ()) -> None:
        self._app, self._token = app, token
        self._hosts = _OWN | {host.lower() for host in hosts}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        if reason := self._refusal(headers):
            await _refuse(scope, receive, send, 403, reason)
        elif self._token is None or self._has_token(headers):
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "GET" and self._is_right(_query_token(scope)):
            # Of a page alone: a script that sends a frame would follow to nowhere and take that for an answer.
            await _set_cookie(scope, send)
        else:
            await _refuse(scope, receive, send, 401, _NEEDED)

    def _refusal(self, headers: dict[str, str]) -> str:
        host = headers.get("host", "")
        if (_name(host) or "") not in self._hosts:
            return f"Host {host!r} is not a name of this service; `--allow-host NAME` makes it one."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return f"Requests from pages of {origin!r} are not answered."
        return ""

    def _has_token(self, headers: dict[str, str]) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._is_right(given.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and self._is_right(cookie.value)

    def _is_right(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), (self._token or "").encode())


def _name(host: str) -> str | None:
    """Without the port, and of an IPv6 address without the brackets."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _query_token(scope: Any) -> str | None:
    return dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"))).get("token")


async def _set_cookie(scope: Any, send: Any) -> None:
    """To the same address without the token, which then stands in no history and no log."""
    rest = [pair for pair in parse_qsl(scope["query_string"].decode("latin-1")) if pair[0] != "token"]
    path = "/" + quote(scope["path"].lstrip("/\\"))
    place = path + (f"?{urlencode(rest)}" if rest else "")
    token = _query_token(scope) or ""
    cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"
    headers = [(b"location", place.encode("latin-1")), (b"set-cookie", cookie.encode("latin-1"))]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Any, receive: Any, send: Any, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4401 if status == 401 else 4403, "reason": reason[:120]})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})
