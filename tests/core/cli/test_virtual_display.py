from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from vinn_core.cli.virtual_display import display_is_missing, virtual_display
from vinn_core.errors import RenderingError

needs_xvfb = pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb exists on Linux only")


@pytest.fixture
def headless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def _screens(process: psutil.Process) -> set[psutil.Process]:
    return {child for child in process.children() if child.name() == "Xvfb"}


@needs_xvfb
@pytest.mark.usefixtures("headless")
def test_a_window_can_be_shown_with_opengl_on_a_machine_without_display() -> None:
    show = (
        "from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext\n"
        "application = QGuiApplication([])\n"
        "context, surface = QOpenGLContext(), QOffscreenSurface()\n"
        "surface.create()\n"
        "print(application.platformName(), context.create() and context.makeCurrent(surface))\n"
    )
    command = [sys.executable, "-m", "vinn_core.cli.virtual_display", sys.executable, "-c", show]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert shown.stdout.split() == ["xcb", "True"], shown.stderr


@needs_xvfb
@pytest.mark.usefixtures("headless")
def test_screen_ends_with_its_user() -> None:
    before = _screens(psutil.Process())
    with virtual_display():
        assert not display_is_missing()
        (server,) = _screens(psutil.Process()) - before
    assert not server.is_running()
    assert display_is_missing()


@needs_xvfb
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs util-linux")
@pytest.mark.usefixtures("headless")
def test_screen_ends_when_its_user_is_killed() -> None:
    command = [sys.executable, "-m", "vinn_core.cli.virtual_display", sys.executable, "-c", "print('up'); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdout is not None
        user.stdout.read(2)
        (server,) = _screens(psutil.Process(user.pid))
        user.send_signal(signal.SIGKILL)
    gone, _ = psutil.wait_procs([server], timeout=20)
    assert gone == [server]


def test_a_real_display_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":77")
    before = _screens(psutil.Process())
    with virtual_display():
        assert os.environ["DISPLAY"] == ":77"
        assert _screens(psutil.Process()) == before
    assert os.environ["DISPLAY"] == ":77"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere a display is always assumed")
@pytest.mark.usefixtures("headless")
def test_missing_xvfb_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RenderingError, match="Debian: xvfb"), virtual_display():
        pass


@needs_xvfb
@pytest.mark.usefixtures("headless")
def test_command_on_the_virtual_screen_hands_its_exit_code_on() -> None:
    command = [sys.executable, "-m", "vinn_core.cli.virtual_display", sys.executable, "-c", "raise SystemExit(7)"]
    assert subprocess.run(command).returncode == 7
