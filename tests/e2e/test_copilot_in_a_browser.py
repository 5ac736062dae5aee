"""The copilot's page as a microscopist has it: a real service, real browsers, no network."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tandem_inputs import disc_image

pytest.importorskip("nicegui")
sync = pytest.importorskip("websockets.sync.client")

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-port=0",
]
SERVER = """
import sys
from pathlib import Path
from emgen.copilot.serve import serve
from emgen.copilot.settings import Settings
from emgen.host import load_host

root, port = sys.argv[1:]
serve(
    Settings(model="instant", root=Path(root), port=int(port), opener="emgen.testing.instant:open_model", reserve=1),
    load_host(),
)
"""
NASTY = "<img src=x onerror=alert(1)>.tif"
TEXT = "document.body.innerText"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here (Debian: apt-get install chromium)"),
]


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def until(found: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """The first true value of ``found``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if value := found():
                return value
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"never came: {what}")


def fetched(address: str, data: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(address, data, headers or {}), timeout=30) as answer:
        return bytes(answer.read())


class Server:
    """A service in a process of its own."""

    def __init__(self, root: Path) -> None:
        self.port, self._seed = free_port(), itertools.count()
        command = [sys.executable, "-c", SERVER, str(root), str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self.address = f"http://127.0.0.1:{self.port}"
        until(self.session, "the service", 60)

    def session(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(fetched(f"{self.address}/session"))
        return found

    def send(self, name: str = "au.tif") -> int:
        """A frame of its own; its number, once it is answered."""
        image_HW = disc_image(next(self._seed), (256, 256), radius=8.0)
        header = {"name": name, "shape": image_HW.shape, "dtype": "uint16", "pixel_size_nm": 0.5}
        data = np.ascontiguousarray(image_HW).astype("<u2").tobytes()
        told = json.loads(fetched(f"{self.address}/frames", data, {"X-Emgen-Frame": json.dumps(header)}))
        frame = int(told["frames"][0])
        until(lambda: (self.session()["frame"] or 0) >= frame, "the answer")
        return frame

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Browser:
    """Chromium; each ``tab`` has a session of its own with the service."""

    def __init__(self, profile: Path) -> None:
        command = [str(BROWSER), *OPTIONS, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        place = profile / "DevToolsActivePort"
        port = until(lambda: place.exists() and place.read_text().splitlines()[:1], "the browser")[0]
        self._address = f"http://127.0.0.1:{port}/json"

    def tab(self) -> Tab:
        request = urllib.request.Request(f"{self._address}/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Tab(json.loads(answer.read())["webSocketDebuggerUrl"])

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


class Tab:
    """A page, driven by the DevTools protocol. ``events``: what it told meanwhile."""

    def __init__(self, address: str) -> None:
        self._socket, self._number = sync.connect(address, max_size=None), itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        number = next(self._number)
        self._socket.send(json.dumps({"id": number, "method": method, "params": values}))
        while (told := json.loads(self._socket.recv(timeout=30))).get("id") != number:
            self.events.append(told)
        return dict(told.get("result", {}))

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def open(self, address: str, size: tuple[int, int] = (1280, 720)) -> None:
        self.resize(size)
        self.call("Page.navigate", url=address)
        until(lambda: "Received" in str(self.js(TEXT)), "the page")

    def js(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def sees(self, words: str) -> None:
        until(lambda: words in str(self.js(TEXT)), words)

    def key(self, name: str) -> None:
        self.call("Page.bringToFront")
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name)

    def click(self, words: str) -> None:
        found = f"[...document.querySelectorAll('button, .q-tab')].find(e => e.innerText.includes({json.dumps(words)}))"
        until(lambda: self.js(f"Boolean({found})"), words)
        self.js(f"{found}.click()")

    def picture(self) -> str:
        """Address of the micrograph that is on the screen, whole."""
        whole = "(i => i && i.complete && i.naturalWidth > 0 ? i.getAttribute('src') : '')"
        return str(self.js(f"{whole}(document.querySelector('.micrograph img'))"))

    def close(self) -> None:
        self.call("Page.close")
        self._socket.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("session"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.stop()


@pytest.fixture
def tab(server: Server, browser: Browser) -> Iterator[Tab]:
    made = browser.tab()
    made.open(server.address)
    yield made
    made.close()


def on_screen(tab: Tab, frame: int) -> None:
    until(lambda: tab.picture() == f"/frames/{frame}/picture.jpg", f"frame {frame}")


def test_the_page_works_without_any_network(tab: Tab, server: Server) -> None:
    html = fetched(server.address).decode()
    foreign = set(re.findall(r"https?://(?!127\.0\.0\.1|www\.w3\.org)[^\s\"'`<>]+", html))
    assert foreign == set()
    server.send()
    until(tab.picture, "a picture")
    asked = [e["params"]["request"]["url"] for e in tab.events if e.get("method") == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith((server.address, "data:", "blob:", "about:"))] == []
    failed = [e for e in tab.events if e.get("method") in ("Runtime.exceptionThrown", "Network.loadingFailed")]
    assert failed == []


def test_a_frame_comes_onto_the_page_by_itself_with_scale_bar_and_numbers(tab: Tab, server: Server) -> None:
    frame = server.send()
    on_screen(tab, frame)
    tab.sees(f"Frame {frame}")
    assert tab.js("document.querySelector('.micrograph svg text').textContent") == "20 nm"
    assert re.search(r"[\d.]+ nm\s*\([\d.]+ to [\d.]+\)", tab.js("document.querySelector('.card.frame').innerText"))
    size = "(i => [i.naturalWidth, i.naturalHeight])(document.querySelector('.micrograph .contours'))"
    assert tab.js(size) == [256, 256]


def test_the_time_to_the_page_is_measured_where_the_picture_is_on_the_screen(tab: Tab, server: Server) -> None:
    before = server.session()["latency"].get("closed to page", {"frames": 0})["frames"]
    on_screen(tab, server.send())
    until(lambda: server.session()["latency"].get("closed to page", {"frames": 0})["frames"] > before, "a measurement")
    latency = server.session()["latency"]
    assert 0 < latency["page"]["p50"] < latency["closed to page"]["p50"] < 30


def test_a_file_name_is_never_markup(tab: Tab, server: Server) -> None:
    frame = server.send(NASTY)
    request = urllib.request.Request(
        f"{server.address}/frames/{frame}/mark",
        json.dumps({"marked": True, "remark": "<script>alert(2)</script>"}).encode(),
        {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=30).close()
    on_screen(tab, frame)
    tab.sees(NASTY.removesuffix(".tif"))
    tab.sees("<script>alert(2)</script>")
    tab.click("Marked")
    assert tab.js("document.querySelectorAll('img[src=x]').length") == 0
    assert not any(event.get("method") == "Page.javascriptDialogOpening" for event in tab.events)


def test_one_who_looks_back_stays_there_until_asking_for_live(tab: Tab, server: Server) -> None:
    server.send()
    on_screen(tab, server.send())
    tab.key("Home")
    on_screen(tab, 1)
    newest = server.send()
    tab.sees("Live (1 new)")
    tab.sees(f"Looking back: frame 1 of {newest}")
    assert tab.picture() == "/frames/1/picture.jpg"
    tab.key("ArrowRight")
    on_screen(tab, 2)
    tab.click("Live")
    on_screen(tab, newest)
    on_screen(tab, server.send())


def test_two_browsers_each_have_their_own_place(tab: Tab, browser: Browser, server: Server) -> None:
    other = browser.tab()
    other.open(server.address)
    server.send()
    other.key("Home")
    on_screen(other, 1)
    tab.call("Page.bringToFront")
    newest = server.send()
    on_screen(tab, newest)
    assert other.picture() == "/frames/1/picture.jpg"
    other.close()


def test_pausing_is_said_on_every_page_and_undone_there(tab: Tab, server: Server) -> None:
    fetched(f"{server.address}/pause", b"")
    tab.sees("Frames still come in")
    tab.click("Resume")
    until(lambda: not server.session()["paused"], "the end of the pause")
    until(lambda: "Frames still come in" not in str(tab.js(TEXT)), "the notice to go")


@pytest.mark.parametrize("size", [(1280, 720), (3840, 2160)])
def test_the_main_view_needs_no_scrolling(browser: Browser, server: Server, size: tuple[int, int]) -> None:
    server.send()
    tab = browser.tab()
    tab.open(server.address, size)
    until(tab.picture, "a picture")
    seen = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    assert tab.js(seen) == list(size)
    share = "document.querySelector('.micrograph').getBoundingClientRect().height / innerHeight"
    assert tab.js(share) > 0.6
    bottom = "Math.max(...[...document.querySelectorAll('.foot, .details')].map(e => e.getBoundingClientRect().bottom))"
    assert tab.js(bottom) <= size[1]
    tab.close()


def test_charts_follow_the_window_from_a_small_screen_to_a_large_one(tab: Tab, server: Server) -> None:
    server.send()
    until(tab.picture, "a picture")
    rem = "parseFloat(getComputedStyle(document.documentElement).fontSize)"
    option = "[...document.querySelectorAll('.chart')].map(e => getElement(Number(e.id.slice(1))).chart.getOption())"
    sizes = f"{option}.map(drawn => drawn.xAxis[0].axisLabel.fontSize / {rem})"
    assert tab.js(sizes) == pytest.approx([0.82, 0.82])
    before = tab.js(rem)
    tab.resize((3840, 2160))
    assert tab.js(rem) > 2 * before
    until(lambda: tab.js(sizes) == pytest.approx([0.82, 0.82]), "type of the new size")


def test_charts_follow_the_system_from_light_to_dark(tab: Tab, server: Server) -> None:
    server.send()
    drawn = "getElement(Number(document.querySelector('.sizes').id.slice(1))).chart.getOption().xAxis[0].axisLabel"
    for scheme, muted in (("light", "#4d5a66"), ("dark", "#a7b3be")):
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        until(lambda muted=muted: tab.js(f"{drawn}.color") == muted, scheme)


def test_every_control_has_a_name(tab: Tab) -> None:
    controls = "[...document.querySelectorAll('button, input:not(.hidden), [role=tab], [role=switch]')]"
    named = "(e) => (e.innerText || '').trim() || e.getAttribute('aria-label') || e.closest('label')"
    assert tab.js(f"{controls}.length") > 10
    assert tab.js(f"{controls}.filter(e => !({named})(e)).map(e => e.outerHTML)") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_by_day_and_by_night(browser: Browser, server: Server, scheme: str) -> None:
    tab = browser.tab()
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.open(server.address)
    names = ("ink", "muted", "session", "frame", "panel")
    style = "getComputedStyle(document.body).getPropertyValue"
    shown = {name: tab.js(f"{style}('--{name}').trim()") for name in names}
    for name in names[:-1]:
        assert contrast(shown[name], shown["panel"]) >= 4.5, (name, shown)
    ground = tab.js("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", ground))) < 60) == (scheme == "dark")
    tab.close()


def contrast(a: str, b: str) -> float:
    """Of two colours ``#rrggbb`` (WCAG 2.2)."""
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_what_is_on_the_screen_is_a_picture_and_not_black(tab: Tab, server: Server) -> None:
    from io import BytesIO

    from PIL import Image

    on_screen(tab, server.send())
    box = tab.js("(r => [r.x, r.y, r.right, r.bottom])(document.querySelector('.micrograph').getBoundingClientRect())")
    shot = Image.open(BytesIO(base64.b64decode(tab.call("Page.captureScreenshot", format="png")["data"])))
    part = np.asarray(shot.convert("RGB").crop([round(value) for value in box])).astype(int)
    assert part.std() > 20
    orange = (part[..., 0] > 200) & (part[..., 2] < 90)
    assert orange.sum() > 200  # the contours


def test_a_lost_connection_is_said(tmp_path: Path, browser: Browser) -> None:
    server = Server(tmp_path)
    tab = browser.tab()
    tab.open(server.address)
    hidden = "document.getElementById('popup').ariaHidden"
    assert tab.js(hidden) == "true"
    server.stop()
    until(lambda: tab.js(hidden) == "false", "the notice")
    tab.close()
