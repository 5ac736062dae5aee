"""The socket that the service listens on, and the address that it tells."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from emgen.copilot.serve import _bound, address
from emgen.copilot.settings import Settings
from emgen.errors import OutputError


def test_small_answers_are_sent_without_delay() -> None:
    """Each would wait 40 ms for the other side's acknowledgement: asyncio looks at ``proto`` to know a TCP socket."""
    with _bound("127.0.0.1", 0) as made:
        assert made.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(OutputError, match=r"--port \d+: 127\.0\.0\.1 cannot be listened on"):
            _bound("127.0.0.1", other.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "token", "wanted"),
    [
        ("127.0.0.1", None, "http://localhost:8380/"),
        ("0.0.0.0", "abcdefgh", "http://localhost:8380/?token=abcdefgh"),
        ("scope-pc", "abcdefgh", "http://scope-pc:8380/?token=abcdefgh"),
    ],
)
def test_the_address_opens_the_page(host: str, token: str | None, wanted: str) -> None:
    assert address(Settings(model="pretrained", root=Path("s"), host=host, token=token)) == wanted
