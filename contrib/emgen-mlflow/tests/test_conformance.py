"""The contract's checks, against the installed observer."""

from __future__ import annotations

import subprocess
import sys

from emgen.testing import ObserverConformance


class TestMlflow(ObserverConformance):
    plugin = "emgen-mlflow"


def test_registering_imports_neither_mlflow_nor_what_it_needs() -> None:
    code = "import sys, emgen_mlflow.plugin; print({'mlflow', 'sqlalchemy', 'yaml', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
