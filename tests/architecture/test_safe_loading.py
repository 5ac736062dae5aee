"""Nothing that is loaded can run code: no pickles, no ``torch.load``, no ``eval``; weights are safetensors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PICKLES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
PICKLE_SUFFIXES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib"}
CALLS = {"torch.load", "torch.save", "torch.jit.load", "eval", "exec"}


def unsafe(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, what) of every import of a pickle module and every call that runs what it reads."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.split(".")[0] in PICKLES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS or any(allows_pickles(word) for word in node.keywords):
                yield node.lineno, called


def allows_pickles(word: ast.keyword) -> bool:
    return word.arg == "allow_pickle" and ast.unparse(word.value) != "False"


@pytest.mark.parametrize(
    "code",
    ["import pickle", "from pickle import loads", "torch.load(path)", "np.load(p, allow_pickle=True)", "eval(text)"],
)
def test_the_check_itself_sees_unsafe_code(code: str) -> None:
    assert list(unsafe(ast.parse(code)))


def test_no_shipped_code_reads_or_writes_pickles(python_files: list[Path], root: Path) -> None:
    found = [
        f"{file.relative_to(root)}:{line} {what}"
        for file in python_files
        for line, what in unsafe(ast.parse(file.read_text()))
    ]
    assert found == []


def test_no_pickled_file_is_tracked(tracked_files: list[Path]) -> None:
    assert [file for file in tracked_files if file.suffix in PICKLE_SUFFIXES] == []
