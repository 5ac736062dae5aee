"""A web page elsewhere must not drive the service, and nobody without the token on other addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from emgen.copilot.access import Access
from emgen.copilot.settings import Settings
from emgen.errors import SpecError

TOKEN = "0123456789abcdef"


def a_client(token: str | None = None, hosts: tuple[str, ...] = (), base: str = "http://localhost:8380") -> TestClient:
    app = FastAPI()

    @app.get("/x")
    def get_x() -> str:
        return "x"

    @app.post("/x")
    def post_x() -> str:
        return "changed"

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")

    app.add_middleware(Access, token=token, hosts=hosts)
    return TestClient(app, base_url=base, follow_redirects=False)


@pytest.mark.parametrize("host", ["localhost:8380", "127.0.0.1", "[::1]:8380", "LOCALHOST"])
def test_loopback_needs_no_token(host: str) -> None:
    assert a_client().get("/x", headers={"Host": host}).text == '"x"'


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example:8380"])
def test_a_name_that_was_bound_to_this_address_is_refused(host: str) -> None:
    assert a_client().get("/x", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "http://localhost:8380.evil.example", "file://"]
)
def test_pages_from_elsewhere_are_refused(origin: str) -> None:
    client = a_client()
    assert client.post("/x", headers={"Origin": origin}).status_code == 403
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/ws", headers={"Origin": origin}):
        pass
    assert closed.value.code == 4403


def test_its_own_page_may() -> None:
    headers = {"Host": "localhost:8380", "Origin": "http://localhost:8380"}
    assert a_client().post("/x", headers=headers).status_code == 200
    with a_client().websocket_connect("/ws", headers=headers) as socket:
        assert socket.receive_text() == "hello"


def test_other_names_are_those_that_were_allowed() -> None:
    client = a_client(TOKEN, ("scope-pc",), "http://scope-pc:8380")
    assert client.get("/x", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/x", headers={"Host": "other-pc", "Authorization": f"Bearer {TOKEN}"}).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong-token-here"}, {"Cookie": "emgen_token=no"},
                                     {"Authorization": "Basic " + TOKEN}, {"Cookie": "bad=\x01;;="}])  # fmt: skip
def test_no_token_no_answer(headers: dict[str, str]) -> None:
    client = a_client(TOKEN)
    assert client.get("/x", headers=headers).status_code == 401
    own = {**headers, "Host": "localhost:8380"}
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/ws", headers=own):
        pass
    assert closed.value.code == 4401


def test_a_link_with_the_token_sets_a_cookie_and_hides_it() -> None:
    client = a_client(TOKEN)
    answer = client.get(f"/x?token={TOKEN}&a=b")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/x?a=b"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    assert client.get("/x").status_code == 200, "the cookie is enough from now on"
    assert a_client(TOKEN).get("/x?token=wrong").status_code == 401


def test_a_link_leads_nowhere_else() -> None:
    answer = a_client(TOKEN).get(f"http://localhost:8380//evil.example/?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example") or answer.headers["location"] == "/"


def test_other_addresses_need_a_token() -> None:
    with pytest.raises(SpecError, match="--token"):
        Settings(model="pretrained", root=Path("s"), host="0.0.0.0")
    with pytest.raises(SpecError, match="8 to 200"):
        Settings(model="pretrained", root=Path("s"), host="0.0.0.0", token="a; b=c ")
    Settings(model="pretrained", root=Path("s"), host="0.0.0.0", token=TOKEN)


def test_a_token_in_the_address_opens_pages_and_takes_no_frames() -> None:
    answer = a_client(TOKEN).post(f"/x?token={TOKEN}")
    assert answer.status_code == 401, "a client that follows 303 would take a list of frames for an answer"


def test_a_link_may_hold_any_letters() -> None:
    assert a_client(TOKEN).get(f"/%C2%B5%0A%E6%BC%A2?token={TOKEN}").headers["location"] == "/%C2%B5%0A%E6%BC%A2"
