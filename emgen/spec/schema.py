"""The JSON schema of this environment's specs: editors complete and check with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emgen.spec.merge import SECTIONS
from emgen.spec.model import build_spec_model

if TYPE_CHECKING:
    from emgen.host import Host

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def spec_schema(host: Host) -> dict[str, Any]:
    """Every field and every installed plugin's settings, with descriptions, as JSON schema (2020-12).

    A slot is not required, since the modality fills it; nor is ``uses`` in a slot, where the modality's plugin stands.
    """
    schema = build_spec_model(host).model_json_schema()
    fields = schema["properties"]
    fields["modality"] |= {"enum": list(host.plugins("modality"))}
    fields["images"]["anyOf"] = [{"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "string"}]
    fields["images"] = {k: v for k, v in fields["images"].items() if k not in ("type", "items", "minItems")}
    for name in SECTIONS:
        fields[name] = _or_empty(fields[name])
    schema["required"] = ["images", "modality"]
    return {"$schema": DIALECT, **schema, "title": "emgen spec"}


def _or_empty(field: dict[str, Any]) -> dict[str, Any]:
    """A heading with nothing under it stands for the defaults."""
    about = {k: v for k, v in field.items() if k in ("description", "default")}
    return {**about, "anyOf": [{k: v for k, v in field.items() if k not in about}, {"type": "null"}]}
