"""Every path, command, option, make target and Python name that README and docs write exists."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import click
import pytest
from pages import PAGES, ROOT, SPAN, Block, blocks, spans

from emgen.cli import main
from emgen.host.kinds import KINDS

REPOSITORY_PATH = re.compile(r"^(emgen|plugins|docs|tests|scripts|contrib|changelog\.d|\.ci)/[\w./-]*$")
PYTHON_NAME = re.compile(r"^emgen(_[a-z]+)?(\.\w+)+$")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
ENTRY_POINT_GROUP = re.compile(r"^emgen\.plugins(\.v\d+)?$")


def command_lines() -> list[tuple[str, str]]:
    """(where, line) of everything in shell blocks and in backticks that starts with ``emgen`` or ``make``."""
    found = [(str(block), line) for block in blocks("bash", "sh", "console") for line in shell_lines(block)]
    found += [(str(page.relative_to(ROOT)), span) for page, span in spans()]
    return [(where, line) for where, line in found if re.match(r"(emgen|make)\s+[\w-]", line)]


def shell_lines(block: Block) -> list[str]:
    """The single commands of a block: continuations joined, prompts and comments dropped, lists split."""
    text = re.sub(r"\\\n", " ", block.text)
    lines = [re.sub(r"^\$ |(^|\s)#.*", "", line) for line in text.splitlines()]
    return [part.strip() for line in lines for part in re.split(r"&&|;|\|", line) if part.strip()]


def words_of(line: str) -> list[str]:
    return [word for word in shlex.split(line.replace("…", "")) if word]


def check_emgen(words: list[str]) -> None:
    """Walks the words of a command line down the click groups and looks every option up."""
    command: click.Command = main
    context = click.Context(main, info_name="emgen")
    known = {name for option in main.params for name in [*option.opts, *option.secondary_opts]}
    for word in words:
        if word in {">", ">>", "<"}:
            break
        if isinstance(command, click.Group) and not word.startswith("-"):
            inner = command.get_command(context, word)
            assert inner is not None, f"{command.name} has no command {word!r}"
            command, context = inner, click.Context(inner, info_name=word, parent=context)
            known |= {name for option in command.params for name in [*option.opts, *option.secondary_opts]}
        elif word.startswith("-") and word.strip("-"):
            assert word.split("=")[0] in known | {"--help", "-h"}, f"{context.command_path} has no option {word!r}"


def parse(words: list[str]) -> None:
    """As the command would when it is called: required arguments, types and choices, without doing anything."""
    command: click.Command = main
    context = click.Context(main, info_name="emgen")
    words = [word for i, word in enumerate(words) if not {">", ">>", "<"} & {word, words[i - 1] if i else ""}]
    while isinstance(command, click.Group):
        words = words[next((i for i, word in enumerate(words) if not word.startswith("-")), len(words)) :]
        if not words:
            return
        inner = command.get_command(context, words.pop(0))
        assert inner is not None
        command, context = inner, click.Context(inner, info_name=inner.name, parent=context)
    if not {"-h", "--help"} & set(words):
        command.make_context(command.name, words, parent=context.parent)


def in_blocks() -> list[tuple[str, str]]:
    shell = blocks("bash", "sh", "console")
    return [(str(block), line) for block in shell for line in shell_lines(block) if line.startswith("emgen ")]


@pytest.mark.parametrize(("where", "line"), in_blocks())
def test_a_shell_example_is_a_call_that_the_command_takes(where: str, line: str) -> None:
    try:
        parse(words_of(line)[1:])
    except click.ClickException as error:
        pytest.fail(f"{where}: {line}: {error.format_message()}")


def test_the_check_of_calls_sees_one_that_lacks_an_argument_or_has_a_wrong_choice() -> None:
    with pytest.raises(click.UsageError, match="Missing"):
        parse(["segment", "pretrained"])
    with pytest.raises(click.UsageError, match="is not one of"):
        parse(["plugins", "new", "mine", "--kind", "gan"])


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize(("where", "line"), command_lines())
def test_a_written_command_exists_with_its_options(where: str, line: str) -> None:
    program, *words = words_of(line)
    if program == "emgen":
        check_emgen(words)
    else:
        targets = [word for word in words if "=" not in word]
        assert set(targets) <= make_targets(), where


def test_the_check_of_commands_sees_a_wrong_one() -> None:
    with pytest.raises(AssertionError, match="no command"):
        check_emgen(["rnu", "spec.yaml"])
    with pytest.raises(AssertionError, match="no option"):
        check_emgen(["run", "spec.yaml", "--outt", "x"])


def test_every_command_and_every_hook_is_in_the_reference() -> None:
    commands = (ROOT / "docs/reference/commands.md").read_text()
    for name in main.list_commands(click.Context(main)):
        assert f"## emgen {name}\n" in commands
    hooks = (ROOT / "docs/reference/hooks.md").read_text()
    for info in KINDS.values():
        assert info.hook in hooks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_link_on_a_page_exists(page: Path) -> None:
    text = page.read_text()
    paths = [span for span in SPAN.findall(text) if REPOSITORY_PATH.match(span)]
    missing = [path for path in paths if not (ROOT / path).exists()]
    missing += [link for link in LINK.findall(text) if not (page.parent / link).exists()]
    assert missing == []


def test_every_python_name_on_a_page_exists() -> None:
    names = {span for _, span in spans() if PYTHON_NAME.match(span) and not ENTRY_POINT_GROUP.match(span)}
    files = {name for name in names if name.rsplit(".", 1)[1] in {"py", "md", "toml", "html"}}
    assert [name for name in sorted(names - files) if not is_there(name)] == []


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            if not hasattr(found, part) and part not in getattr(found, "__annotations__", {}):
                return False
            found = getattr(found, part, None)
        return True
    return False
