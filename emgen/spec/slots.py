"""A slot of the spec: a name, or ``{uses: name, ...settings}``, becomes an instance of the plugin's settings.

The value's class is derived from the plugin's own settings class and adds ``uses``. The core derives that tag, so no
plugin author can mistype it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from pydantic import (
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from emgen.errors import UnknownPluginError, listing
from emgen.registration import Kind, ReaderPlugin, StageConfig, StagePlugin

if TYPE_CHECKING:
    from emgen.host import Host

SLOTS: tuple[Kind, ...] = ("rough_segmenter", "mask_sampler", "morphology_gan", "contrast_gan", "downstream_task")
"""The slots that hold one stage each; ``metrics`` is a list of the kind ``metric``."""


class Slot(StageConfig):
    """What stands in a slot: the plugin's settings and its name."""

    __emgen_config__: ClassVar[type[StageConfig]] = StageConfig
    uses: str

    @model_validator(mode="after")
    def _anchor_paths(self, info: ValidationInfo) -> Slot:
        """Relative paths start at the spec's folder, as the images do."""
        base = (info.context or {}).get("base")
        if not isinstance(base, Path):
            return self
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            anchored = _anchored(value, base, declared=_extra(field).get("format") == "path")
            if anchored != value:
                self.__dict__[name] = anchored
        return self


def _anchored(value: Any, base: Path, *, declared: bool) -> Any:
    """A ``Path`` is anchored; a text that is declared a path only if that exists (it may be a word or a hub id)."""
    if isinstance(value, Path):
        return base / value.expanduser()
    if declared and isinstance(value, str) and (path := base / Path(value).expanduser()).exists():
        return str(path)
    return value


def slot_class(plugin: StagePlugin | ReaderPlugin) -> type[Slot]:
    """The plugin's settings class with ``uses``. Raises whatever its annotations raise when pydantic reads them."""
    fields: dict[str, Any] = {"uses": (Literal[plugin.name], Field(plugin.name, description="the plugin's name"))}
    config = plugin.config or StageConfig  # a reader may have none
    bases: Any = (config, Slot) if config is not StageConfig else Slot
    return _of_plugin(
        config,
        create_model(
            config.__name__,
            __base__=bases,
            __module__=config.__module__,
            __doc__=plugin.summary,
            **fields,
        ),
    )


def _of_plugin(config: type[StageConfig], made: type[Slot]) -> type[Slot]:
    made.__emgen_config__ = config
    made.model_rebuild()  # else a name that pydantic cannot resolve comes up only inside the whole spec, and breaks it
    return made


def as_settings(value: Any) -> Any:
    """``"x"`` -> ``{"uses": "x"}``, a mapping -> a dict; anything else as it is, for the validation to refuse."""
    if isinstance(value, str):
        return {"uses": value}
    return dict(value) if isinstance(value, Mapping) else value


def plugin_config(value: Slot) -> StageConfig:
    """The value as an instance of the plugin's own settings class, without ``uses``."""
    own = type(value).__emgen_config__
    fields = {name: getattr(value, name) for name in own.model_fields}
    return own.model_construct(_fields_set=value.model_fields_set - {"uses"}, **fields)


def settings_for_key(value: StageConfig) -> dict[str, Any]:
    """The settings that can change a result, as JSON values: without ``uses`` (the key holds the plugin's name) and
    without fields declared with ``json_schema_extra={"cache": False}``."""
    kept = _keyed(value)
    kept.pop("uses", None)
    return kept


def _keyed(model: BaseModel) -> dict[str, Any]:
    fields = type(model).model_fields
    kept = model.model_dump(mode="json", include={n for n, f in fields.items() if _extra(f).get("cache") is not False})
    for name in kept:
        if isinstance(inner := getattr(model, name), BaseModel):
            kept[name] = _keyed(inner)
    return kept


def _extra(field: Any) -> Mapping[str, Any]:
    extra = field.json_schema_extra
    return extra if isinstance(extra, Mapping) else {}


class SlotOf:
    """Annotation of a slot field: ``Annotated[Slot, SlotOf(kind, host)]``."""

    def __init__(self, kind: Kind, host: Host) -> None:
        self.kind = kind
        self.host = host
        self.classes: dict[str, type[Slot]] = {}
        self.unusable: dict[str, str] = {}
        for name, registered in host.plugins(kind).items():
            try:
                self.classes[name] = slot_class(cast(StagePlugin | ReaderPlugin, registered.plugin))
            except Exception as error:  # one plugin's settings must not take the others with it
                self.unusable[name] = f"{type(error).__name__}: {error}"

    def named(self, value: Any) -> Any:
        """The settings of an installed plugin, or an error that says which there are."""
        settings = {"uses": value.uses, **dict(value)} if isinstance(value, Slot) else as_settings(value)
        name = settings.get("uses") if isinstance(settings, dict) else None
        if not isinstance(name, str):
            raise refused(f"write a name, or {{uses: name, ...settings}}. Installed: {listing(self.classes)}.")
        if name in self.unusable:
            label = self.host.find(self.kind, name).label
            raise refused(f"the settings of {label} cannot be used ({self.unusable[name]}). Name another plugin.")
        if name not in self.classes:
            raise refused(unknown(self.host, self.kind, name))
        return settings

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        if not self.classes:
            return core_schema.no_info_plain_validator_function(self.named)
        choices = {name: handler.generate_schema(made) for name, made in self.classes.items()}
        union = core_schema.tagged_union_schema(choices, discriminator="uses")
        return core_schema.no_info_before_validator_function(self.named, union)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        names = [
            {"const": name, "description": self.host.plugins(self.kind)[name].plugin.summary} for name in self.classes
        ]
        settings = [handler(made.__pydantic_core_schema__) for made in self.classes.values()]
        return {"anyOf": [*names, *settings]}


def refused(text: str) -> PydanticCustomError:
    """A finished text as a validation error; braces in it are no placeholders."""
    return PydanticCustomError("plugin", "{text}", {"text": text})


def unknown(host: Host, kind: Kind, name: str) -> str:
    """What the host says of a name it does not know; an empty text if it knows it. The field is named elsewhere."""
    try:
        host.find(kind, name)
    except UnknownPluginError as error:
        return str(error).removeprefix(f"{kind}: ")
    return ""


def reading_host(reader: Slot | None, host: Host) -> Host:
    """The host that reads micrographs as ``data.reader`` of a spec says."""
    return host if reader is None else host.reading_by(reader.uses, plugin_config(reader))
