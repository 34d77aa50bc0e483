"""Slow work off the GUI thread, results back in the GUI thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QRunnable, QThreadPool, Signal

from vinn_core.errors import VinnError

logger = logging.getLogger(__name__)


class _Work(QRunnable):
    def __init__(self, run: Callable[[], None]) -> None:
        super().__init__()
        self._run = run

    def run(self) -> None:
        self._run()


class Background(QObject):
    """A few threads of its own. Made, used and closed in the GUI thread."""

    _done = Signal(object)

    def __init__(self, threads: int = 1, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(threads)
        self._closed = False
        self._done.connect(self._deliver)

    def run(
        self,
        work: Callable[[], Any],
        then: Callable[[Any], None] = lambda result: None,
        failed: Callable[[str], None] = lambda sentence: None,
        *,
        priority: int = 0,
    ) -> None:
        """Call `work` in a thread, then `then(result)`, or `failed(sentence)` when it raised, in the GUI thread.

        Higher `priority` goes first. After `close` nothing is started and nothing is delivered.
        """
        if not self._closed:
            self._pool.start(_Work(partial(self._work, work, then, failed)), priority)

    def change(
        self,
        work: Callable[[], Any],
        then: Callable[[], None],
        *,
        complain: Callable[[str], None],
        refresh: Callable[[], None],
        priority: int = 0,
    ) -> None:
        """As `run`, for work that changes what a list shows: it is read anew whether the work went well or not."""

        def done(_: object) -> None:
            then()
            refresh()

        def failed(sentence: str) -> None:
            complain(sentence)
            refresh()

        self.run(work, done, failed, priority=priority)

    def close(self) -> None:
        """Wait for the work under way; forget the rest."""
        self._closed = True
        self._pool.waitForDone()

    def _work(self, work: Callable[[], Any], then: Callable[[Any], None], failed: Callable[[str], None]) -> None:
        if self._closed:
            return
        try:
            outcome = partial(then, work())
        except VinnError as error:
            outcome = partial(failed, str(error))
        except Exception as error:  # a thread's boundary: it becomes a message
            logger.exception("background work failed")
            outcome = partial(failed, f"Unexpected {type(error).__name__}: {error}. The log has the details.")
        self._done.emit(outcome)

    def _deliver(self, outcome: Callable[[], None]) -> None:
        if not self._closed:
            outcome()
