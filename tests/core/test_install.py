"""scripts/install.py: what `make` runs before everything else. No package is installed here."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent.parent / "scripts" / "install.py"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a project of its own whose virtual environment is the Python that runs the tests."""
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "STAMP", tmp_path / "installed.txt")
    monkeypatch.setattr(script, "VENV_PYTHON", Path(sys.executable))
    monkeypatch.setattr(script, "missing_system_packages", lambda build_tools: [])
    return script


@pytest.fixture
def commands(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that the script ran, all with success."""
    ran: list[str] = []

    def run(command: list[str]) -> bool:
        ran.append(" ".join(command))
        return True

    monkeypatch.setattr(install, "run", run)
    return ran


def _call(install: ModuleType, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["install.py", *options])
    return install.main()


def test_second_call_installs_nothing(
    install: ModuleType, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _call(install, monkeypatch) == 0
    assert any("pip install" in command for command in commands)
    commands.clear()
    assert _call(install, monkeypatch) == 0
    assert commands == []


def test_changed_list_of_packages_is_installed_with_what_was_asked_for_before(
    install: ModuleType, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _call(install, monkeypatch, "--dev")
    commands.clear()
    (install.ROOT / "pyproject.toml").write_text("[project]  # one more\n")
    assert _call(install, monkeypatch) == 0
    assert any(command.endswith("[dev]") for command in commands)


def test_developers_packages_come_on_top_of_a_users(
    install: ModuleType, commands: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _call(install, monkeypatch)
    assert not any("[dev]" in command for command in commands)
    _call(install, monkeypatch, "--dev")
    assert any("[dev]" in command for command in commands)


def test_failed_installation_is_tried_again(
    install: ModuleType, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(install, "run", lambda command: False)
        assert _call(install, monkeypatch) == 1
    assert "pip could not install" in capsys.readouterr().err
    assert _call(install, monkeypatch) == 0
    assert any("pip install" in command for command in commands)


def test_old_python_is_named_with_the_cure(
    install: ModuleType, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "OLDEST_PYTHON", (3, 99))
    assert _call(install, monkeypatch) == 1
    assert "needs Python 3.11 or newer" in capsys.readouterr().err
    assert commands == []


def test_system_packages_come_through_apt_announced_first(
    install: ModuleType, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert install.install_system_packages(["xvfb", "libegl1"])
    assert "xvfb libegl1" in capsys.readouterr().out
    assert [command.split("apt-get ")[1].split()[0] for command in commands] == ["update", "install"]
    assert commands[-1].endswith("xvfb libegl1")


def test_without_root_and_sudo_the_exact_command_is_printed(
    install: ModuleType, commands: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "sudo" else f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not install.install_system_packages(["xvfb"])
    assert "apt-get install -y --no-install-recommends" in capsys.readouterr().out
    assert commands == []
