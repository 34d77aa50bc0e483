"""What import-linter cannot see: what is loaded at import time, and the names that touch OpenGL."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

import app

ROOT = Path(__file__).resolve().parent.parent.parent
LIGHT_CORE = [
    "session.loop",
    "session.policy",
    "world.simulation",
    "episodes.recorder",
    "episodes.dataset",
    "config",
    "retrieval.index",
    "retrieval.store",
    "retrieval.vinn",
]
LIGHT_WINDOW = {"torch", "torchvision", "h5py", "annoy", "mink"}
"""What the window's start has no time for."""
GL_NAMES = {"Renderer", "GLContext", "MjrContext", "QOpenGLContext", "QOpenGLWidget", "QOpenGLWindow"}
GL_MODULES = (
    "OpenGL.",
    "glfw.",
    "mujoco.egl.",
    "mujoco.glfw.",
    "mujoco.osmesa.",
    "PySide6.QtOpenGL.",
    "PySide6.QtOpenGLWidgets.",
)


def _loaded_after_importing(*modules: str) -> set[str]:
    program = f"import {', '.join(modules)}, sys; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


def test_window_comes_up_without_loading_torch() -> None:
    all_of_app = [module.name for module in pkgutil.walk_packages(app.__path__, "app.")]
    assert {"app.application", "app.window.main_window"} <= set(all_of_app)
    assert _loaded_after_importing(*all_of_app).isdisjoint({"torch", "torchvision"})


def test_window_comes_up_without_loading_what_takes_long() -> None:
    assert _loaded_after_importing("app.application").isdisjoint(LIGHT_WINDOW)


def test_control_loop_loads_neither_torch_nor_qt() -> None:
    loaded = _loaded_after_importing(*(f"vinn_core.{name}" for name in LIGHT_CORE))
    assert loaded.isdisjoint({"torch", "torchvision", "PySide6", "pyqtgraph"})


def _imported(node: ast.AST) -> list[str]:
    """Full names of what an import statement asks for: the modules, and modules with the names in them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def _touches_gl(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name in GL_NAMES or name.startswith("mjr_"):
            return True
        if any(f"{imported}.".startswith(GL_MODULES) for imported in _imported(node)):
            return True
    return False


def test_only_rendering_and_the_viewport_touch_opengl() -> None:
    sources = [path for package in ("app", "vinn_core") for path in (ROOT / package).rglob("*.py")]
    touching = {path for path in sources if _touches_gl(ast.parse(path.read_text(encoding="utf-8")))}
    assert touching == {
        ROOT / "vinn_core" / "world" / "rendering.py",
        ROOT / "app" / "viewport" / "widget.py",
    }


def test_torch_is_always_set_up_before_it_is_imported() -> None:
    """Triton, which a bare import of torch may load, crashes beside Mesa: see vinn_core/encoder/torch_setup.py."""
    sources = [path for folder in ("app", "vinn_core", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    for path in set(sources) - {ROOT / "vinn_core" / "encoder" / "torch_setup.py"}:
        set_up = False
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):  # outer statements first, in their order
            set_up |= any("torch_setup" in name for name in _imported(node))
            bare = any(name.split(".")[0] in ("torch", "torchvision", "byol_pytorch") for name in _imported(node))
            assert set_up or not bare, f"{path.relative_to(ROOT)} imports torch before vinn_core.encoder.torch_setup"


def _exempted_imports() -> list[str]:
    """`importer -> imported` of all that the import contracts look past."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    return sorted({exempted for contract in contracts for exempted in contract.get("ignore_imports", ())})


@pytest.mark.parametrize("exempted", _exempted_imports())
def test_imports_exempted_from_the_contracts_happen_inside_functions_only(exempted: str) -> None:
    importer, imported = exempted.split(" -> ")
    tree = ast.parse(ROOT.joinpath(*importer.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
    inside = {
        node for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)
    }
    found = [node for node in ast.walk(tree) if imported in _imported(node)]
    assert found
    assert inside.issuperset(found)


def _modules() -> dict[str, Path]:
    """All modules of the program by their full names."""
    paths = [path for package in ("app", "vinn_core") for path in (ROOT / package).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def _names_imported(tree: ast.Module) -> set[str]:
    """By the statements at the top of a module, as they are called there."""
    statements = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for node in statements for alias in node.names}


def test_every_name_is_imported_from_where_it_is_defined() -> None:
    """What a module hands on hides where it comes from: from readers, and from the import contracts."""
    modules = {name: path for name, path in _modules().items() if path.name != "__init__.py"}
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules.items()}
    handed_on = {name: _names_imported(tree) for name, tree in trees.items()}
    for folder in ("tests", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            trees[str(path.relative_to(ROOT))] = ast.parse(path.read_text(encoding="utf-8"))
    for importer, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in handed_on:
                names = {alias.name for alias in node.names} & handed_on[node.module]
                assert not names, f"{importer} takes {', '.join(names)} from {node.module}, which only imports it"


def test_no_circle_not_even_of_types() -> None:
    graph = grimp.build_graph("app", "vinn_core", exclude_type_checking_imports=False, cache_dir=None)
    imported = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    while leaves := {name for name, others in imported.items() if not others & imported.keys()}:
        imported = {name: others for name, others in imported.items() if name not in leaves}
    assert not imported, f"import one another: {', '.join(sorted(imported))}"


def test_every_room_is_in_the_order_of_the_contract() -> None:
    """A folder or file that the layers do not name would be held by none of them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    named = {name.strip() for layer in layers for name in layer.split("|")}
    there = {
        f"{package}.{path.stem}"
        for package in ("app", "vinn_core")
        for path in (ROOT / package).iterdir()
        if path.name not in ("__init__.py", "__pycache__")
    }
    assert named == there


def test_only_what_everybody_uses_lies_outside_the_rooms() -> None:
    loose = {package: {path.stem for path in (ROOT / package).glob("[!_]*.py")} for package in ("app", "vinn_core")}
    assert loose["app"] <= {"application", "screenshot", "log", "keys", "wording"}
    assert loose["vinn_core"] <= {"config", "errors", "files", "processes", "progress", "workspace"}


@pytest.mark.parametrize(("package", "tests"), [("app", "gui"), ("vinn_core", "core")])
def test_tests_lie_in_the_rooms_of_what_they_test(package: str, tests: str) -> None:
    rooms = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and path.name != "__pycache__"}
    there = {path.parent.name for path in (ROOT / "tests" / tests).glob("*/test_*.py")}
    assert there <= rooms
    assert rooms - there <= {"config"}  # its tests are one file
