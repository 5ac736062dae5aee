"""The report as a person opens it: in a browser, from a file, with no network."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tandem_inputs import small_spec, write_images

from emgen.engine import run_spec
from emgen.host import Host
from emgen.testing import fakes

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1280,900",
    "--virtual-time-budget=8000",
]
ERRORS = "<script>window.problems = []; window.onerror = (text) => window.problems.push(String(text));</script>"
PROBE = """<script>
window.addEventListener("load", () => {
  const page = document.documentElement;
  const found = {
    problems: window.problems,
    images: document.images.length,
    broken: [...document.images].filter((image) => !image.naturalWidth).length,
    fetched: performance.getEntriesByType("resource").map((e) => e.name).filter((name) => !name.startsWith("data:")),
    headings: [...document.querySelectorAll("h1, h2")].map((heading) => heading.textContent),
    overflow: page.scrollWidth - page.clientWidth,
  };
  const note = document.createElement("pre");
  note.id = "probe";
  note.textContent = JSON.stringify(found);
  document.body.append(note);
});
</script>"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here (Debian: apt-get install chromium)"),
]


def open_page(page: Path, profile: Path) -> dict[str, Any]:
    """What a probe sees inside the loaded page: script errors, images, what was fetched, horizontal overflow."""
    probed = page.with_name("probed.html")
    text = page.read_text()
    assert "</body>" in text
    probed.write_text(text.replace("<head>", "<head>" + ERRORS, 1).replace("</body>", PROBE + "</body>", 1))
    command = [str(BROWSER), *OPTIONS, f"--user-data-dir={profile}", "--dump-dom", probed.as_uri()]
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120)
    note = re.search(r'<pre id="probe">(.*?)</pre>', dumped.stdout, re.DOTALL)
    assert note is not None, dumped.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(note[1]))
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a whole run on the instant fakes."""
    folder = tmp_path_factory.mktemp("run")
    spec = small_spec(write_images(folder / "micrographs", count=6))
    result = run_spec(spec, folder / "out", host=Host.from_modules([fakes]), progress=False)
    assert result.report is not None, result.report_error
    return result.report


@pytest.fixture(scope="module")
def seen(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return open_page(report, tmp_path_factory.mktemp("profile"))


def test_the_report_shows_its_pictures(seen: dict[str, Any]) -> None:
    assert seen["images"] > 0
    assert seen["broken"] == 0


def test_the_report_runs_without_script_errors_and_fetches_nothing(seen: dict[str, Any]) -> None:
    assert seen["problems"] == []
    assert seen["fetched"] == []


def test_the_report_has_headings_and_fits_a_window_of_1280_pixels(seen: dict[str, Any]) -> None:
    assert len(seen["headings"]) >= 3
    assert seen["overflow"] <= 0
