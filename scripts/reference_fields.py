"""The fields of a spec, and of the objects that hooks return, as Markdown."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from reference_tables import default_text, table, type_text

from emgen import hookspecs
from emgen.registration import MetricPlugin, ModalityPlugin, ReaderPlugin, Signature, StagePlugin
from emgen.spec import model
from emgen.spec.presets import PRESETS
from emgen.spec.slots import SLOTS

PARTS: dict[str, type[BaseModel]] = {
    "data": model.DataSpec,
    "split": model.SplitSpec,
    "virtual": model.VirtualSpec,
    "gate": model.GateSpec,
    "checkpoints": model.CheckpointSpec,
    "labelled": model.LabelledSpec,
}
FROM_THE_MODALITY = set(SLOTS)
FROM_THE_PRESET = {"metrics", "checkpoints.by"}


def spec_fields() -> str:
    """One row a field, those of a part after the part itself."""
    head = ("field", "type", "default", "in preset `paper`", "what it is")
    return table(head, list(_rows(model.Spec)))


def _rows(of: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, ...]]:
    schema = of.model_json_schema()["properties"]
    for name, field in of.model_fields.items():
        path = prefix + name
        if name in PARTS and not prefix:
            if field.get_default(call_default_factory=True) is None:
                yield (f"`{path}`", "fields below", "`null`", "", field.description or "")
            yield from _rows(PARTS[name], f"{name}.")
            continue
        yield (f"`{path}`", type_text(schema[name]), _default(path, field), _in_paper(path), field.description or "")


def _default(path: str, field: FieldInfo) -> str:
    if path in FROM_THE_MODALITY:
        return "the modality's"
    if path in FROM_THE_PRESET:
        return "the preset's"
    return default_text(field.get_default(call_default_factory=True))


def _in_paper(path: str) -> str:
    part, _, name = path.partition(".")
    changed = PRESETS["paper"].get(part, {})
    return default_text(changed[name]) if name in changed else ""


# --- hooks ------------------------------------------------------------------------------------------------------------

OBJECTS = (StagePlugin, MetricPlugin, ReaderPlugin, Signature, ModalityPlugin)


def all_hooks() -> str:
    """One row a hook: arguments, what it returns, what it is for."""
    found = [node for node in ast.parse(inspect.getsource(hookspecs)).body if isinstance(node, ast.FunctionDef)]
    rows = []
    for node in found:
        returns = ast.unparse(node.returns) if node.returns else ""
        text = (ast.get_docstring(node) or "").replace("``", "`")
        rows.append((f"`{node.name}`", f"`{ast.unparse(node.args)}`" if node.args.args else "", f"`{returns}`", text))
    return table(("hook", "arguments", "returns", "what"), rows)


def hook_objects() -> str:
    """The fields of every object of ``emgen.registration``, with what its docstring says of them."""
    sections = []
    for of in OBJECTS:
        said = attributes(inspect.getdoc(of) or "")
        inherited = attributes(inspect.getdoc(of.__base__) or "") if of.__base__ in OBJECTS else {}
        rows = [
            (f"`{field.name}`", f"`{field.type}`", _default_of(field), said.get(field.name, ""))
            for field in fields(of)
            if field.name not in inherited
        ]
        more = f" All fields of `{of.__base__.__name__}`, and:" if inherited else ""
        first = (inspect.getdoc(of) or "").split("\n\n")[0].replace("``", "`")
        sections.append(f"### {of.__name__}\n\n{first}{more}\n\n" + table(("field", "type", "default", "what"), rows))
    return "\n".join(sections)


def _default_of(field: object) -> str:
    default, factory = field.default, field.default_factory  # type: ignore[attr-defined]
    if default is MISSING and factory is MISSING:
        return "required"
    return f"`{factory() if default is MISSING else default!r}`"


def attributes(docstring: str) -> dict[str, str]:
    """What a docstring says of each attribute: ``name: text`` or ``one, two: text`` below ``Attributes``.

    >>> attributes("A thing.\\n\\nAttributes\\n----------\\nsize: in px,\\n    a number.\\nname: its name.")
    {'size': 'in px, a number.', 'name': 'its name.'}
    """
    _, _, text = docstring.partition("Attributes\n----------\n")
    entries = re.split(r"\n(?=\w)", text)
    found: dict[str, str] = {}
    for entry in filter(None, entries):
        names, _, said = entry.partition(": ")
        found |= dict.fromkeys(names.split(", "), " ".join(said.replace("``", "`").split()))
    return found
