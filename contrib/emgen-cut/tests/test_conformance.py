"""The contract's checks, against the installed plugin."""

from __future__ import annotations

from emgen.testing import ContrastGanConformance


class TestCut(ContrastGanConformance):
    plugin = "cut"


class TestFastCut(ContrastGanConformance):
    plugin = "cut"
    settings = {"variant": "fast"}  # noqa: RUF012


class TestCutWithoutIdentity(ContrastGanConformance):
    plugin = "cut"
    settings = {"identity_weight": 0.0}  # noqa: RUF012
