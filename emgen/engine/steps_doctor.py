"""The data doctor at the start of a run: what to know of the stack before hours are spent on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from emgen.artifacts import Artifact, write_json
from emgen.doctor import Finding, Source, examine
from emgen.doctor.leaks import find_leaks, on_leaks
from emgen.doctor.near import Overlap
from emgen.doctor.text import one_line
from emgen.doctor.tokens import named, token
from emgen.engine.bench import Bench, Step
from emgen.engine.cache import Draft
from emgen.engine.handles import Micrographs, Parts
from emgen.engine.pieces import check_stop
from emgen.engine.recipe import core_maker
from emgen.errors import DataError
from emgen.stages import Context

FILE = "findings.json"
SLOT = "doctor"


def examined(bench: Bench, micrographs: Micrographs, *, label: str = "examination") -> Micrographs:
    """The same micrographs with what is wrong with them, which goes into the run's notes.

    Raises ``DataError`` where no micrograph shows anything but noise, and with ``data.doctor: strict`` on a warning.
    """
    if bench.spec.data.doctor == "off":
        return micrographs
    reads = [partial(micrographs.images.raw, index) for index in range(len(micrographs))]
    sources = [Source(token(index), Path(token(index)), read) for index, read in enumerate(reads)]

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        context.plan(len(sources))
        done = iter(range(1, len(sources) + 1))
        settings: dict[str, Any] = {"polarity": bench.polarity, "pixel_size_nm": bench.spec.data.pixel_size_nm}
        found = examine(
            sources, **settings, tell=lambda line: context.log(next(done), {}), should_stop=context.should_stop
        )
        check_stop(context, "stopped while the stack was examined")
        write_json(draft.folder / FILE, found.to_dict())
        return {}

    artifact = bench.perform(
        Step(
            label=label,
            kind="findings",
            slot=SLOT,
            maker=core_maker(1, "emgen.data", "emgen.doctor", "emgen.engine.steps_doctor"),
            settings={"polarity": bench.polarity},
            input_keys={"micrographs": micrographs.artifact.key},
            inputs=[micrographs.artifact],
            produce=produce,
        )
    )
    _tell(bench, label, _findings(artifact, micrographs), len(micrographs))
    return replace(micrographs, examination=artifact)


def check_leaks(bench: Bench, micrographs: Micrographs, parts: Parts, *, label: str = "leaks") -> Artifact | None:
    """Does a micrograph show, in what is trained on, what another one holds out? Raises as ``examined`` does."""
    if micrographs.examination is None:
        return None
    examination = micrographs.examination

    def produce(draft: Draft, context: Context) -> Mapping[str, Any]:
        overlaps = [_overlap(values) for values in examination.read(FILE)["overlaps"]]
        leaks = find_leaks(overlaps, parts.plan, micrographs.shapes_HW)
        found = [finding.to_dict() for finding in on_leaks(leaks, [token(index) for index in range(len(micrographs))])]
        write_json(draft.folder / FILE, {"findings": found})
        return {}

    artifact = bench.perform(
        Step(
            label=label,
            kind="findings",
            slot=SLOT,
            maker=core_maker(1, "emgen.data", "emgen.doctor", "emgen.engine.steps_doctor"),
            input_keys={"examination": examination.key, "split": parts.artifact.key},
            inputs=[examination, parts.artifact],
            produce=produce,
        )
    )
    _tell(bench, label, _findings(artifact, micrographs), len(micrographs))
    return artifact


def _findings(artifact: Artifact, micrographs: Micrographs) -> list[Finding]:
    """What is stored knows micrographs by their place; here they get their names."""
    return [Finding(**values) for values in named(artifact.read(FILE)["findings"], micrographs.names)]


def _overlap(values: Mapping[str, Any]) -> Overlap:
    pairs = {name: tuple(values[name]) for name in ("offset_YX", "shape_second_HW")}
    return Overlap(**{**values, **pairs})


def _tell(bench: Bench, label: str, findings: Sequence[Finding], count: int) -> None:
    """All into the record; what needs attention into its notes, once, also where a run reads its stack twice."""
    told = {**bench.record.facts.get("doctor", {}), label: [found.to_dict() for found in findings]}
    bench.record.update({"doctor": told})
    known = bench.record.facts.get("notes", [])
    for found in findings:
        if found.severity != "note" and one_line(found) not in known:
            bench.record.note(one_line(found))
            bench.progress.note(f"{found.severity}: {one_line(found)}")
    _refuse(bench, findings, count)


def _refuse(bench: Bench, findings: Sequence[Finding], count: int) -> None:
    """Only what makes a run meaningless stops it, unless the spec says otherwise."""
    grave = [found for found in findings if found.severity != "note"]
    empty = [found for found in findings if found.check == "empty" and len(found.names) == count]
    if bench.spec.data.doctor == "strict" and grave:
        told = "\n".join(f"  {one_line(found)}. {found.way_out}" for found in grave)
        raise DataError(f"data.doctor: strict, and the stack needs attention:\n{told}\nOr set data.doctor: warn.")
    if empty:
        raise DataError(
            f"none of the {count} micrographs shows anything but noise ({empty[0].measured}). Look at them; if "
            "particles are there all the same, switch this check off: data.doctor: off."
        )
