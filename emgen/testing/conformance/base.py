"""What every conformance class checks: the registration and the settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar
from unittest import SkipTest

from pydantic import ValidationError

from emgen.errors import PreflightError
from emgen.host import Registered, load_host
from emgen.host.validation import validate
from emgen.registration import AnyPlugin, Kind, StageConfig, StagePlugin
from emgen.stages import Context
from emgen.testing.conformance.inputs import require

HEAVY = (
    "torch",
    "torchvision",
    "tensorflow",
    "jax",
    "transformers",
    "zarr",
    "pandas",
    "skimage",
    "scipy",
    "matplotlib",
)
"""Libraries that a plugin may use, and must not import before it is used."""


class Conformance:
    """Base of all conformance classes.

    Attributes
    ----------
    plugin: the name of an installed plugin, or a plugin object as a hook returns it.
    """

    kind: ClassVar[Kind]
    plugin: ClassVar[str | AnyPlugin | Registered]

    def registered(self) -> Registered:
        """The plugin and where it comes from."""
        plugin = self.plugin
        if isinstance(plugin, Registered):
            return plugin
        if isinstance(plugin, str):
            return load_host().find(self.kind, plugin)
        module = plugin.config.__module__ if isinstance(plugin, StagePlugin) else type(self).__module__
        installed = (item for item in load_host().plugins(self.kind).values() if item.plugin == plugin)
        return next(installed, Registered(plugin, "(not installed)", "local", module, True, self.kind))

    def test_its_registration_is_valid(self) -> None:
        validate(self.kind, self.registered().plugin)

    def test_its_registration_imports_no_heavy_library(self) -> None:
        module = self.registered().module
        loaded = heavy_imports(module.partition(":")[0])
        require(not loaded, f"importing {module} imports {', '.join(loaded)}; import them where they are used")

    def test_its_implementation_can_be_imported(self) -> None:
        self.registered().load()


@cache
def heavy_imports(module: str) -> list[str]:
    """The heavy libraries that importing a module brings in, seen in a fresh interpreter."""
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=False)
    require(done.returncode == 0, f"{module} cannot be imported on its own:\n{done.stderr}")
    return done.stdout.split()


class StageConformance(Conformance):
    """Adds the settings.

    Attributes
    ----------
    settings: what the checks run with; choose the smallest that work (one step, few channels). They go over the
        plugin's preset ``check``, or ``quick`` where it has no ``check``.
    shape_HW: size of the images; a multiple of 32 for networks.
    """

    settings: ClassVar[Mapping[str, Any]] = {}
    shape_HW: ClassVar[tuple[int, int]] = (64, 64)
    oblong_HW: ClassVar[tuple[int, int]] = (64, 96)

    def stage_plugin(self) -> StagePlugin:
        plugin = self.registered().plugin
        assert isinstance(plugin, StagePlugin)
        return plugin

    def config(self) -> StageConfig:
        """The settings of the checks, validated."""
        config = self.stage_plugin().config
        preset = config.presets.get("check", config.presets.get("quick", {}))
        return config(**{**preset, **self.settings})

    def make(self, context: Any = None) -> Any:
        """A new, untrained implementation. Skips where the plugin's preflight says that something is missing."""
        try:
            self.registered().preflight(self.config())
        except PreflightError as error:
            raise SkipTest(str(error)) from error
        return self.registered().create(self.config(), context or Context())

    def test_its_settings_are_frozen_and_forbid_extras(self) -> None:
        config = self.stage_plugin().config
        require(config.model_config.get("frozen") is True, f"{config.__name__} must keep frozen=True")
        try:
            config(**{**self.config().model_dump(), "a_field_that_no_plugin_has": 1})
        except ValidationError:
            return
        raise AssertionError(f'{config.__name__} must keep extra="forbid": a misspelt setting went unnoticed')

    def test_its_settings_survive_json(self) -> None:
        config = self.config()
        again = type(config).model_validate_json(config.model_dump_json())
        require(again == config, f"written as JSON and read again, {config!r} becomes {again!r}")

    def test_its_presets_hold_valid_settings(self) -> None:
        config = self.stage_plugin().config
        for name, values in config.presets.items():
            try:
                config(**{**self.settings, **values})
            except ValidationError as error:
                raise AssertionError(f'the preset "{name}" is not valid: {error}') from error
