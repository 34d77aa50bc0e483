"""docs/architecture.md says what is so, and no document names a file that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import draw_architecture
import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"


def test_the_picture_shows_the_imports_as_they_are() -> None:
    stale = "the imports have changed: python scripts/draw_architecture.py"
    assert draw_architecture.PICTURE.read_text(encoding="utf-8") == draw_architecture.draw(), stale


def test_every_room_has_its_line() -> None:
    rooms = {name.replace(".", "/") for row in draw_architecture.layers() for name in row}
    table = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    told = [name for line in table for name in re.findall(r"`([\w/]+)`", line.split("|")[1])]
    assert sorted(told) == sorted(rooms)


def _walked() -> list[tuple[str, str]]:
    """(file, name) of each `file` `name` in the walks."""
    return re.findall(r"`((?:app|vinn_core)/[\w/]+\.py)` `(\w+)`", DOCUMENT.read_text(encoding="utf-8"))


def test_the_walks_lead_somewhere() -> None:
    assert len(_walked()) > 30
    for file, name in _walked():
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert name in defined, f"{file} has no {name}"


@pytest.mark.parametrize("document", ["README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))])
def test_every_file_that_is_named_is_there(document: str) -> None:
    folders = "app|vinn_core|scripts|tests|benchmarks|resources"
    named = re.findall(rf"`((?:{folders})/[\w/.]*)`", (ROOT / document).read_text(encoding="utf-8"))
    missing = [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]
    assert not missing, f"{document} names {', '.join(missing)}"


def test_the_worked_example_changes_lines_that_are_there() -> None:
    """Three places; what it takes away and what it puts its lines behind stands in the files."""
    example = DOCUMENT.read_text(encoding="utf-8").partition("```diff\n")[2].partition("```")[0]
    files = re.findall(r"^\+\+\+ b/(.*)$", example, flags=re.MULTILINE)
    assert len(files) == 3
    for file, change in zip(files, re.split(r"^\+\+\+ .*$", example, flags=re.MULTILINE)[1:], strict=True):
        source = (ROOT / file).read_text(encoding="utf-8")
        old = [line[1:] for line in change.splitlines() if line[:1] in (" ", "-") and not line.startswith("---")]
        assert old
        assert all(line in source for line in old), f"the example does not fit {file}"
