"""Letting Qt's events happen while a benchmark waits."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from PySide6.QtCore import QEventLoop, QTimer


def wait(seconds: float) -> None:
    """Let events happen for that long."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1e3), loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    """Let events happen until `condition` is true. Raises TimeoutError naming `what` was waited for."""
    deadline = perf_counter() + seconds
    while not condition():
        if perf_counter() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        wait(0.2)
