"""One store for all tests: MLflow takes seconds to make the tables of a new one."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow") / "mlflow.db"


@pytest.fixture(autouse=True)
def tracking_uri(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Nothing is written beside the tests: also artifacts, which MLflow puts into the working directory."""
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{store}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri
