"""The manifest is what napari's plugin engine wants, and every command of it can be imported."""

from __future__ import annotations

from typing import Any

import pytest
from npe2 import PluginManager, PluginManifest

NAME = "emgen-napari"


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution(NAME)


def test_npe2_finds_the_distribution_and_lists_it() -> None:
    manager = PluginManager()
    manager.discover()
    assert NAME in {found.name for found in manager.iter_manifests()}


def test_npe2_itself_finds_the_manifest_valid(manifest: PluginManifest) -> None:
    manifest.validate_imports()


def test_it_contributes_two_widgets_and_a_reader(manifest: PluginManifest) -> None:
    assert [widget.display_name for widget in manifest.contributions.widgets or []] == ["Open run", "Segment layer"]
    (reader,) = manifest.contributions.readers or []
    assert reader.accepts_directories


def test_napari_makes_the_widgets_from_the_manifest(viewer: Any) -> None:
    manager = PluginManager.instance()
    manager.discover()
    widgets = [widget for widget in manager.iter_widgets() if widget.plugin_name == NAME]
    assert [type(widget.get_callable()(viewer)).__name__ for widget in widgets] == ["OpenRun", "SegmentLayer"]
