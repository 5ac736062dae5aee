"""Small pieces: the shape of this code base, held to that of the plugin hosts it learns from."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

MEDIAN_LINES = 12
LONG_LINES = 60
LONG_SHARE = 0.05

Function = ast.FunctionDef | ast.AsyncFunctionDef


def body_lines(function: Function) -> int:
    """Lines of a function from its ``def`` on, without decorators and docstring."""
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def functions(files: list[Path], root: Path) -> list[tuple[int, str]]:
    """(lines, where) of every function, the longest first."""
    return sorted(
        (
            (body_lines(node), f"{file.relative_to(root)}:{node.lineno} {node.name}")
            for file in files
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, Function)
        ),
        reverse=True,
    )


@pytest.fixture(scope="module")
def lengths(python_files: list[Path], root: Path) -> list[tuple[int, str]]:
    return functions(python_files, root)


def test_the_median_function_is_short(lengths: list[tuple[int, str]]) -> None:
    assert median(lines for lines, _ in lengths) <= MEDIAN_LINES


def test_few_functions_are_long(lengths: list[tuple[int, str]]) -> None:
    long = [f"{lines} lines: {where}" for lines, where in lengths if lines > LONG_LINES]
    assert len(long) <= LONG_SHARE * len(lengths), "\n".join(long)
