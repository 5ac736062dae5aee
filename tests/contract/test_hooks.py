"""A hook exists when it is documented with its exact signature, shown in an example or called in a test."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from emgen import hookspecs
from emgen.host import KINDS

ROOT = Path(__file__).parents[2]
SPECS = [node for node in ast.parse(inspect.getsource(hookspecs)).body if isinstance(node, ast.FunctionDef)]


def signature(spec: ast.FunctionDef) -> str:
    """``def name(arguments) -> type``, as written."""
    assert spec.returns is not None
    return f"def {spec.name}({ast.unparse(spec.args)}) -> {ast.unparse(spec.returns)}"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_hook_is_documented_with_its_exact_signature_and_meaning(spec: ast.FunctionDef) -> None:
    page = (ROOT / "docs" / "reference" / "hooks.md").read_text()
    assert f"\n{signature(spec)}: ...\n" in page
    meaning = " ".join((ast.get_docstring(spec) or "").replace("``", "`").split())
    assert meaning in " ".join(page.split())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_hook_is_called_in_a_test_or_implemented_by_the_fakes(spec: ast.FunctionDef) -> None:
    implemented = (ROOT / "emgen" / "testing" / "fakes.py").read_text()
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
    assert f"def {spec.name}(" in implemented or spec.name in tests


def test_every_registration_hook_belongs_to_a_kind_and_every_other_is_an_observer() -> None:
    registering = {spec.name for spec in SPECS if not spec.args.args}
    assert registering == {info.hook for info in KINDS.values()}
    assert all(spec.name.startswith(("emgen_run_", "emgen_stage_")) for spec in SPECS if spec.args.args)
