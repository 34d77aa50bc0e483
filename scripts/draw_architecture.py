"""Draws docs/images/architecture.svg: the rooms of the program, the files in them, and which room uses which.

`python scripts/draw_architecture.py [--check]`. All of it is read from the imports and from the order in
pyproject.toml, so the picture cannot say what is not so; `--check` only tells whether it has gone stale. Arrows that
follow from others (a uses b, b uses c, so a may use c) are left out.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"

_WIDTH, _MARGIN, _GAP = 1120, 130, 14
_HEAD, _LINE, _BELOW, _ROW_GAP = 24, 15, 8, 26
_CHARACTER = 6.3
"""Width of one in the small print [pixel]."""


@dataclass(frozen=True)
class Room:
    """A folder, or a file that stands alone, and where it is drawn.

    Attributes:
        name: full name of the package or module.
        lines: names of the files in it, as rows of small print.
        left, top, width, height: [pixel].
    """

    name: str
    lines: tuple[str, ...]
    left: float
    top: float
    width: float
    height: float


def layers() -> list[list[str]]:
    """Full names of the rooms, from the top floor down, as import-linter holds them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    rows = [[name.strip() for name in layer.split("|")] for layer in contracts["contracts"][0]["layers"]]
    return [row for row in rows if row != ["vinn_core.__main__"]]  # three lines that call the command line


def uses() -> dict[str, set[str]]:
    """Room -> the rooms that it imports from, what follows from others left out."""
    graph = grimp.build_graph("app", "vinn_core", cache_dir=None)
    names = [name for row in layers() for name in row]

    def room_of(module: str) -> str | None:
        return next((name for name in names if f"{module}.".startswith(f"{name}.")), None)

    direct: dict[str, set[str]] = {name: set() for name in names}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            here, there = room_of(importer), room_of(imported)
            if here and there and here != there:
                direct[here].add(there)
    return {room: {other for other in others if not _follows(direct, room, other)} for room, others in direct.items()}


def _follows(direct: Mapping[str, set[str]], room: str, other: str) -> bool:
    """Whether `room` reaches `other` through a third one."""
    to_visit, seen = list(direct[room] - {other}), set()
    while to_visit:
        there = to_visit.pop()
        if there == other:
            return True
        if there not in seen:
            seen.add(there)
            to_visit += direct[there]
    return False


def _files(name: str) -> Iterator[str]:
    """What lies in a room: its files, and its folders with theirs."""
    folder = ROOT.joinpath(*name.split("."))
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name != "__pycache__":
            inner = ", ".join(sorted(inner.stem for inner in path.glob("[!_]*.py")))
            yield f"{path.name} ({inner})"
        elif path.suffix == ".py" and not path.name.startswith("_"):
            yield path.stem


def _wrapped(words: list[str], width: float) -> tuple[str, ...]:
    lines, most = [""], int((width - 20) / _CHARACTER)
    for word in ", ".join(words).split(" "):
        if len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return tuple(line for line in lines if line)


def _place() -> list[Room]:
    rooms, top = [], 16.0
    for row in layers():
        width = (_WIDTH - 2 * _MARGIN - _GAP * (len(row) - 1)) / len(row)
        texts = [_wrapped(list(_files(name)), width) for name in row]
        height = _HEAD + _LINE * max(map(len, texts)) + _BELOW
        for place, (name, lines) in enumerate(zip(row, texts, strict=True)):
            rooms.append(Room(name, lines, _MARGIN + place * (width + _GAP), top, width, height))
        top += height + _ROW_GAP
    return rooms


def draw() -> str:
    """The picture as SVG."""
    rooms = {room.name: room for room in _place()}
    height = max(room.top + room.height for room in rooms.values()) + 16
    arrows = [_arrow(rooms[here], rooms[there]) for here, others in uses().items() for there in sorted(others)]
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height:.0f}" '
            f'viewBox="0 0 {_WIDTH} {height:.0f}" font-family="DejaVu Sans, Verdana, sans-serif">'
        ),
        "<title>The rooms of VINN Workbench and what they use</title>",
        (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" '
            'markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0,0 L8,4 L0,8 z" fill="#5b6873"/></marker></defs>'
        ),
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        *arrows,
        *(_box(room) for room in rooms.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(room: Room) -> str:
    in_core = room.name.startswith("vinn_core")
    fill, edge = ("#eef5fa", "#1f86c7") if in_core else ("#fdf4ea", "#c9701b")
    middle = room.left + room.width / 2
    lines = [
        (
            f'<rect x="{room.left:.1f}" y="{room.top:.1f}" width="{room.width:.1f}" height="{room.height:.1f}" rx="7" '
            f'fill="{fill}" stroke="{edge}"/>'
        ),
        (
            f'<text x="{middle:.1f}" y="{room.top + 17:.1f}" text-anchor="middle" font-size="13" font-weight="bold" '
            f'fill="#1e252c">{escape(room.name.replace(".", "/"))}</text>'
        ),
    ]
    for number, line in enumerate(room.lines, start=1):
        lines.append(
            f'<text x="{middle:.1f}" y="{room.top + 17 + number * _LINE:.1f}" text-anchor="middle" font-size="11" '
            f'fill="#46515b">{escape(line)}</text>'
        )
    return "\n".join(lines)


def _arrow(here: Room, there: Room) -> str:
    """Straight down to the next floor; past others around the side, and into an inner room from above."""
    below = there.top - (here.top + here.height)
    if below <= _ROW_GAP + 1:
        left, right = max(here.left, there.left), min(here.left + here.width, there.left + there.width)
        x = (left + right) / 2
        return _path(f"M{x:.1f},{here.top + here.height:.1f} L{x:.1f},{there.top - 2:.1f}")
    touches_left, touches_right = here.left <= _MARGIN + 1, here.left + here.width >= _WIDTH - _MARGIN - 1
    on_left = there.left + there.width / 2 <= _WIDTH / 2 if touches_left and touches_right else touches_left
    outwards = -1 if on_left else 1
    edge = _MARGIN if on_left else _WIDTH - _MARGIN
    start = here.left if on_left else here.left + here.width
    end = there.left if on_left else there.left + there.width
    side = edge + outwards * min(18 + 0.22 * below, _MARGIN - 12)
    from_y, to_y = here.top + here.height / 2, there.top + there.height / 2
    if abs(end - edge) < 1:
        return _path(f"M{start:.1f},{from_y:.1f} C{side:.1f},{from_y:.1f} {side:.1f},{to_y:.1f} {end:.1f},{to_y:.1f}")
    above, middle = there.top - _ROW_GAP / 2, there.left + there.width / 2 + outwards * there.width / 4
    return _path(
        f"M{start:.1f},{from_y:.1f} C{side:.1f},{from_y:.1f} {side:.1f},{above:.1f} {edge:.1f},{above:.1f} "
        f"L{middle - outwards * -6:.1f},{above:.1f} Q{middle:.1f},{above:.1f} {middle:.1f},{there.top - 2:.1f}"
    )


def _path(steps: str) -> str:
    return f'<path d="{steps}" fill="none" stroke="#5b6873" stroke-width="1.3" marker-end="url(#head)"/>'


def main() -> int:
    picture = draw()
    if sys.argv[1:] == ["--check"]:
        fresh = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == picture
        print("The picture is up to date." if fresh else "The picture is stale: python scripts/draw_architecture.py")
        return 0 if fresh else 1
    PICTURE.write_text(picture, encoding="utf-8")
    print(f"Drew {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
