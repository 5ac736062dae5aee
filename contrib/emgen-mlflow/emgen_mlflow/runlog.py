"""One MLflow run for one run of emgen. Imported only where a run is written: MLflow takes seconds to import."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")  # no lines about tables in the middle of a progress display
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a laboratory's runs are nobody else's business

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from emgen_mlflow.tracker import End, Value, part

STATUS = {"complete": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
ARTIFACTS = ("spec.yaml", "manifest.json", "metrics.json", "rounds.json", "report.html")
IDENTITY = "emgen.run"
BATCH, PARAMS = 1000, 100  # the most that MLflow takes in one call
TRIES = 4
_T = TypeVar("_T")


class RunLog:
    """Writes to an MLflow run. ``run`` is the folder of emgen's."""

    def __init__(self, client: MlflowClient, run_id: str, run: Path) -> None:
        self._client, self._run_id, self._run = client, run_id, run

    @classmethod
    def open(cls, run: Path) -> RunLog:
        """The MLflow run that the folder's run has already, else a new one, in the experiment of its spec's name.

        The store is MLflow's own choice: ``MLFLOW_TRACKING_URI``, by default ``mlflow.db`` in the working directory.
        """
        text = (run / "spec.yaml").read_text(encoding="utf-8")
        spec = yaml.safe_load(text)
        client = patiently(MlflowClient)
        experiment = patiently(lambda: _experiment(client, str(spec.get("name") or "emgen")))
        identity = hashlib.sha256(f"{run}\n{text}".encode()).hexdigest()[:32]
        found = client.search_runs([experiment], f"tags.`{IDENTITY}` = '{identity}'", max_results=1)
        if found:
            run_id = found[0].info.run_id
            client.update_run(run_id, status="RUNNING")
            return cls(client, run_id, run)
        tags = {IDENTITY: identity, "emgen.folder": str(run), **_provenance(run)}
        made = client.create_run(experiment, tags=tags, run_name=run.name)
        log = cls(client, made.info.run_id, run)
        log._params(spec)
        return log

    def values(self, values: list[Value]) -> None:
        metrics = [Metric(one.name, one.value, one.time_ms, one.step) for one in values]
        for start in range(0, len(metrics), BATCH):
            batch = metrics[start : start + BATCH]
            patiently(lambda: self._client.log_batch(self._run_id, metrics=batch))  # noqa: B023

    def stage(self, name: str) -> None:
        self._client.set_tag(self._run_id, "emgen.stage", name)

    def end(self, end: End) -> None:
        """Scores, seconds a stage, the files that tell of the run, and its state."""
        now = int(time.time() * 1000)
        numbers = {**_scores(self._run), **_seconds(self._run)}
        self.values([Value(name, number, 0, now) for name, number in numbers.items()])
        for name in ARTIFACTS:
            if (self._run / name).is_file():
                self._client.log_artifact(self._run_id, str(self._run / name))
        if end.error:
            self._client.set_tag(self._run_id, "emgen.error", end.error)
        elif end.status == "complete":
            self._forget("emgen.error", "emgen.stage")
        self._client.set_terminated(self._run_id, STATUS.get(end.status, "FAILED"))

    def _params(self, spec: Mapping[str, Any]) -> None:
        params = [Param(name, value) for name, value in flat(spec)]
        for start in range(0, len(params), PARAMS):
            self._client.log_batch(self._run_id, params=params[start : start + PARAMS])

    def _forget(self, *tags: str) -> None:
        present = self._client.get_run(self._run_id).data.tags
        for tag in set(tags) & set(present):
            self._client.delete_tag(self._run_id, tag)


def flat(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """A spec's fields by dotted path, lists and other values as JSON.

    >>> list(flat({"seed": 3, "contrast_gan": {"uses": "cut", "betas": [0.5, 0.999]}}))
    [('seed', '3'), ('contrast_gan.uses', 'cut'), ('contrast_gan.betas', '[0.5, 0.999]')]
    """
    for name, value in tree.items():
        path = f"{above}{part(str(name))}"
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{path}.")
        else:
            yield path[-250:], value if isinstance(value, str) else json.dumps(value, default=str)


def patiently(call: Callable[[], _T], tries: int = TRIES) -> _T:
    """Its result; tried again where it fails: studies write to one SQLite file from several processes at once."""
    for attempt in range(tries - 1):
        try:
            return call()
        except Exception:  # of whatever kind a store raises; the last try lets it pass
            time.sleep(0.5 * 2**attempt)
    return call()


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _provenance(run: Path) -> dict[str, str]:
    """What the UI shows beside a run: who made it how, on what."""
    manifest = _json(run / "manifest.json")
    facts = {f"emgen.{name}": manifest.get(name) for name in ("device", "device_name", "precision", "seed")}
    facts["emgen.version"] = (manifest.get("environment") or {}).get("emgen")
    tags = {name: str(value) for name, value in facts.items() if value is not None}
    return {**tags, "mlflow.source.name": str(manifest.get("command") or "emgen run"), "mlflow.source.type": "LOCAL"}


def _scores(run: Path) -> dict[str, float]:
    """``scores/<generation>/<metric>/<score>`` of every number in ``metrics.json``."""
    return dict(_numbers(_json(run / "metrics.json"), "scores"))


def _seconds(run: Path) -> dict[str, float]:
    """``seconds/<stage>``: what its artifact took to make, in this run or before."""
    steps: Sequence[Mapping[str, Any]] = _json(run / "manifest.json").get("steps", [])
    return {f"seconds/{part(step['label'])}": float(step["seconds"]) for step in steps}


def _numbers(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, float]]:
    for name, value in tree.items():
        path = f"{above}/{part(str(name))}"
        if isinstance(value, Mapping):
            yield from _numbers(value, path)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield path, float(value)


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found
