"""What import-linter cannot see: what is loaded at import time, and the names that touch OpenGL."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import app

ROOT = Path(__file__).resolve().parent.parent.parent
LIGHT_CORE = ["session", "policy", "simulation", "recorder", "dataset", "config", "index"]
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
    assert {"app.application", "app.main_window"} <= set(all_of_app)
    assert _loaded_after_importing(*all_of_app).isdisjoint({"torch", "torchvision"})


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
    assert touching == {ROOT / "vinn_core" / "rendering.py", ROOT / "app" / "viewport.py"}


def test_torch_is_always_set_up_before_it_is_imported() -> None:
    """Triton, which a bare import of torch may load, crashes beside Mesa: see vinn_core/torch_setup.py."""
    sources = [path for folder in ("app", "vinn_core", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    for path in set(sources) - {ROOT / "vinn_core" / "torch_setup.py"}:
        set_up = False
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):  # outer statements first, in their order
            set_up |= any("torch_setup" in name for name in _imported(node))
            bare = any(name.split(".")[0] in ("torch", "torchvision", "byol_pytorch") for name in _imported(node))
            assert set_up or not bare, f"{path.relative_to(ROOT)} imports torch before vinn_core.torch_setup"


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
