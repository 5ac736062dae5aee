"""``make`` sets up what it needs, and says clearly what it cannot."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from environments import ROOT


def make_script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def install(folder: Path, python: str | Path) -> subprocess.CompletedProcess[str]:
    script = [ROOT / "scripts" / "venv.sh", folder, "test"]
    return subprocess.run(script, env=os.environ | {"PYTHON": str(python)}, capture_output=True, text=True)


def test_an_old_python_is_refused_by_version_and_the_way_out_is_named(tmp_path: Path) -> None:
    old = make_script(tmp_path / "python3", 'case "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac')
    done = install(tmp_path / "venv", old)
    assert done.returncode == 2
    assert "needs Python 3.11 or newer; found: Python 3.9.2" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_python_without_venv_leaves_no_half_made_folder(tmp_path: Path) -> None:
    bare = make_script(tmp_path / "python3", 'case "$*" in "-m venv "*) mkdir -p "$3"; exit 1;; esac')
    done = install(tmp_path / "venv", bare)
    assert done.returncode == 2
    assert "python3-venv" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_suitable_environment_is_kept(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    make_script(tmp_path / "venv" / "bin" / "python", f'case "$*" in *pip*) echo "$*" > {tmp_path}/asked;; esac')
    done = install(tmp_path / "venv", "/nonexistent/python")
    assert done.returncode == 0, done.stderr
    assert "--editable .[test]" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize("target", ["demo", "test", "check"])
def test_each_target_installs_what_it_needs_first(target: str) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # under `make test` too
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", target]
    planned = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    assert "scripts/venv.sh .venv" in planned.splitlines()[0]
