"""How the program starts: workspaces that cannot be opened, no display, and what nobody caught."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from app.application import Windows
from app.log import Log
from app.window.display import window_problem
from app.window.workspace_dialogs import NewWorkspaceDialog, recent_workspaces
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def windows(qtbot: QtBot) -> Iterator[Windows]:
    with Log() as log:
        opened = Windows(log)
        yield opened
        if opened.window is not None:
            opened.window.close()


def test_a_workspace_that_is_open_elsewhere_can_be_swapped_for_another(
    windows: Windows, workspace_folder: Path, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences: list[str] = []

    def choose_other(_: Windows, folder: Path, sentence: str) -> Path:
        sentences.append(sentence)
        return tmp_path / "other"

    monkeypatch.setattr(Windows, "_ask_for_another", choose_other)
    with Workspace.open(workspace_folder, lock=True):
        assert windows.open(workspace_folder)
    assert len(sentences) == 1
    assert "open in another window" in sentences[0]
    assert windows.window is not None
    assert "other" in windows.window.windowTitle()
    assert recent_workspaces()[0] == (tmp_path / "other").resolve()


def test_the_question_about_a_workspace_offers_ways_out(windows: Windows, workspace_folder: Path, qtbot: QtBot) -> None:
    seen: list[list[str]] = []

    def quit_question() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        seen.append([button.text() for button in box.buttons()])
        box.reject()

    QTimer.singleShot(200, quit_question)
    with Workspace.open(workspace_folder, lock=True):
        assert not windows.open(workspace_folder)
    assert sorted(text.replace("&", "") for text in seen[0]) == ["Choose another folder…", "Quit", "Try again"]


def test_what_nobody_caught_reaches_the_window_and_the_log(
    windows: Windows, workspace_folder: Path, qtbot: QtBot
) -> None:
    assert windows.open(workspace_folder)
    window = windows.window
    assert window is not None
    try:
        raise RuntimeError("a wheel came off")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    assert any("a wheel came off" in text for text in window.notifications.texts)
    log = (workspace_folder / "log" / "workbench.log").read_text(encoding="utf-8")
    assert "a wheel came off" in log
    assert "Traceback" in log


def test_a_new_workspace_must_be_empty(qtbot: QtBot, tmp_path: Path) -> None:
    dialog = NewWorkspaceDialog()
    qtbot.addWidget(dialog)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    dialog.path.setText(str(tmp_path / "full"))
    dialog.accept()
    assert dialog.folder is None
    dialog.path.setText(str(tmp_path / "fresh"))
    dialog.look.setCurrentText("varied")
    dialog.accept()
    assert dialog.folder == tmp_path / "fresh"
    assert dialog.config.look == "varied"


def test_no_display_is_one_sentence_and_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    sentence = window_problem()
    assert sentence is not None
    ended = subprocess.run(
        [sys.executable, "main.py"], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    assert ended.stderr.strip() == sentence


def test_a_platform_that_needs_no_display_is_left_to_qt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert window_problem() is None


def test_a_display_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":4711")
    sentence = window_problem()
    assert sentence is not None
    assert ":4711" in sentence
