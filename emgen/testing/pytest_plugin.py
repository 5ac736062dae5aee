"""Fixtures for the tests of plugins; pytest loads them wherever emgen is installed.

``emgen_host`` registers modules without installing them; ``fake_distribution`` installs one in a temporary folder.
Nothing of emgen is imported before a fixture is used.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from emgen.host import Host


class RegisterModules(Protocol):
    """``emgen_host(module, …)``: a ``Host`` of these modules or objects; ``load_host()`` returns it in this test."""

    def __call__(self, *modules: object, strict: bool = True) -> Host: ...


class FakeDistribution(Protocol):
    """``fake_distribution("emgen-mine", {"emgen_mine": "import emgen …"})``: as if it had been installed by pip.

    ``modules`` maps module names to their source. ``entry_points`` maps names to modules, by default the first module;
    ``group`` is the entry-point group. Returns the folder, which is on ``sys.path`` until the test ends (for a
    subprocess put it into ``PYTHONPATH``).
    """

    def __call__(
        self,
        name: str,
        modules: Mapping[str, str],
        *,
        version: str = "1.0",
        entry_points: Mapping[str, str] | None = None,
        group: str = "emgen.plugins",
        editable: bool = False,
    ) -> Path: ...


@pytest.fixture
def emgen_host() -> Iterator[RegisterModules]:
    """Register modules, or any objects with hook implementations, without installing them."""
    from emgen.host import Host, use_host

    with ExitStack() as stack:

        def register(*modules: object, strict: bool = True) -> Host:
            return stack.enter_context(use_host(Host.from_modules(modules, strict=strict)))

        yield register


@pytest.fixture
def fake_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDistribution]:
    """Write a distribution (dist-info, entry points, modules) into a temporary folder on ``sys.path``."""
    before = set(sys.modules)
    made: list[str] = []

    def make(
        name: str,
        modules: Mapping[str, str],
        *,
        version: str = "1.0",
        entry_points: Mapping[str, str] | None = None,
        group: str = "emgen.plugins",
        editable: bool = False,
    ) -> Path:
        folder = tmp_path / "site-packages" / name
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        entries = entry_points if entry_points is not None else {name: next(iter(modules))}
        lines = [f"[{group}]", *(f"{key} = {value}" for key, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        if editable:
            (info / "direct_url.json").write_text(json.dumps({"url": "file:///", "dir_info": {"editable": True}}))
        for module, source in modules.items():
            _write_module(folder, module, source)
        made.extend(module.partition(".")[0] for module in modules)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    yield make
    for module in set(sys.modules) - before:
        if module.partition(".")[0] in made:
            del sys.modules[module]
    importlib.invalidate_caches()


def _write_module(folder: Path, module: str, source: str) -> None:
    """``a.b`` becomes ``a/b.py`` in a package ``a``; ``a`` becomes ``a.py``."""
    *packages, last = module.split(".")
    for package in packages:
        folder = folder / package
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
    (folder / f"{last}.py").write_text(dedent(source))
