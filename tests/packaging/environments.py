"""Wheels, and virtual environments that hold them and borrow everything else."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def build_wheel(project: Path, into: Path) -> Path:
    """A wheel by the installed hatchling, with no network."""
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(into), str(project)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = into.glob("*.whl")
    return wheel


@dataclass(frozen=True)
class Environment:
    """A virtual environment in which ``emgen`` comes from a wheel and its dependencies from the developer's .venv."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.folder / "lib" / version / "site-packages"

    def install(self, wheel: Path) -> None:
        self._pip("install", "--no-deps", "--force-reinstall", str(wheel))

    def add(self, *requirements: str) -> None:
        """Install with what they depend on, from the package registry; what is borrowed counts as installed."""
        self._pip("install", *requirements)

    def remove(self, distribution: str) -> None:
        self._pip("uninstall", "--yes", distribution)

    def _pip(self, *arguments: str) -> None:
        """The developer's pip, at work on this environment, which has none of its own."""
        done = subprocess.run([*PIP, "--python", str(self.python), *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def run(
        self, *arguments: str | Path, cwd: Path, status: int = 0, environ: Mapping[str, str] = MappingProxyType({})
    ) -> str:
        """Standard output of ``python …`` in this environment; fails unless it exits with ``status``.

        Of the caller's own environment nothing of Python and emgen is passed on; ``environ`` is.
        """
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "EMGEN_"))}
        done = subprocess.run(
            [self.python, *arguments],
            cwd=cwd,
            env=clean | {"NO_COLOR": "1", **environ},
            capture_output=True,
            text=True,
            timeout=550,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    @classmethod
    def make(cls, folder: Path, *wheels: Path) -> Environment:
        """A new environment with these wheels.

        PyTorch takes gigabytes, so it sees the developer's packages through a .pth file, behind its own. The editable
        emgen among them does not shadow the wheel: .pth files of a borrowed folder are not read.
        """
        environment = cls(folder)
        venv.create(folder, with_pip=False, symlinks=True)
        (environment.site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        for wheel in wheels:
            environment.install(wheel)
        return environment


def registry_answers(folder: Path) -> bool:
    """Whether pip reaches a package registry."""
    asked = [*PIP, "download", "--no-deps", "--no-cache-dir", "--dest", str(folder), "iniconfig"]
    return subprocess.run(asked, capture_output=True).returncode == 0
