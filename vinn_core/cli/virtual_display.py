"""A screen for machines that have none: Xvfb, as long as it is needed.

`python -m vinn_core.cli.virtual_display COMMAND ...` runs a command on it. Where there is a display, nothing is
started; `--check` only tells whether there is one.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from vinn_core.errors import RenderingError

_SCREEN = "1600x1000x24"


def display_is_missing() -> bool:
    """Whether none is named. Only Linux is asked: macOS and Windows have no such variables."""
    return sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def display_problem() -> str | None:
    """Why no window can be shown, in half a sentence; None when it can. Qt would abort the process."""
    if display_is_missing():
        return "there is no display (DISPLAY and WAYLAND_DISPLAY are unset)"
    if sys.platform.startswith("linux") and not os.environ.get("WAYLAND_DISPLAY") and not _x_server_answers():
        return f"the display does not answer (DISPLAY={os.environ['DISPLAY']})"
    return None


def _x_server_answers() -> bool:
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True  # Qt will say what is missing
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(None, None)
    if xcb.xcb_connection_has_error(connection):
        xcb.xcb_disconnect(connection)
        return False
    return True  # the connection stays: a virtual screen starts anew when its last client leaves, just as Qt comes


@contextmanager
def virtual_display() -> Iterator[None]:
    """While inside, DISPLAY names a screen with OpenGL; a real one is preferred.

    Raises:
        RenderingError: there is no display, and Xvfb is not installed or does not start.
    """
    if not display_is_missing():
        yield
        return
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        raise RenderingError(
            "There is no display, and Xvfb, which could stand in for one, is not installed (Debian: xvfb)."
        )
    # -displayfd: the server picks a free number, and writes it when it takes connections. setpriv ends the server when
    # this process is killed.
    guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [
            *guard,
            xvfb,
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            _SCREEN,
            "+extension",
            "GLX",
            "-nolisten",
            "tcp",
            "-noreset",  # otherwise it starts anew, and refuses for a moment, whenever its last client leaves
        ],
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C ends our program, which then ends the server
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as lines:
            number = lines.readline().strip()
        if not number:
            raise RenderingError("There is no display, and Xvfb, which should stand in for one, did not start.")
        os.environ["DISPLAY"] = f":{number}"
        yield
    finally:
        os.environ.pop("DISPLAY", None)
        server.terminate()
        server.wait()


def main() -> int:
    """Run the command in sys.argv; its exit code. With --check, tell whether a window can be shown instead."""
    if sys.argv[1:] == ["--check"]:
        problem = display_problem()
        if problem is not None:
            print(problem)
        return 0 if problem is None else 1
    try:
        with virtual_display():
            return subprocess.run(sys.argv[1:]).returncode
    except RenderingError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # the command got it too and has ended
        return 130


if __name__ == "__main__":
    sys.exit(main())
