"""The log, and what nobody caught: written at once, so that a crash loses nothing."""

from __future__ import annotations

import faulthandler
import logging
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Self

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, qInstallMessageHandler

logger = logging.getLogger(__name__)

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_MOST_BYTES = 1_000_000
_KEPT_FILES = 3
_QT_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


class Log(QObject):
    """Hooks into Python's and Qt's ways to report errors while it is entered."""

    failed = Signal(str)
    """Something nobody caught: one sentence for the person."""

    def __init__(self) -> None:
        super().__init__()
        self._file: RotatingFileHandler | None = None
        self._crashes = None

    def __enter__(self) -> Self:
        logging.getLogger().setLevel(logging.INFO)
        self._hooks = (sys.excepthook, threading.excepthook)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread
        qInstallMessageHandler(_log_qt)
        return self

    def __exit__(self, *_: object) -> None:
        sys.excepthook, threading.excepthook = self._hooks
        qInstallMessageHandler(None)
        self._leave()

    def move_to(self, folder: Path) -> None:
        """Write to `folder` from now on. Where that cannot be, the log goes to the terminal alone."""
        self._leave()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = RotatingFileHandler(
                folder / "workbench.log", maxBytes=_MOST_BYTES, backupCount=_KEPT_FILES, encoding="utf-8"
            )
            self._crashes = (folder / "crash.log").open("a", encoding="utf-8")
        except OSError as error:
            logger.warning("no log can be written to %s: %s", folder, error)
            return
        self._file.setFormatter(logging.Formatter(_FORMAT))
        logging.getLogger().addHandler(self._file)
        faulthandler.enable(self._crashes)  # a crash outside Python leaves its stack there

    def _leave(self) -> None:
        if self._file is not None:
            logging.getLogger().removeHandler(self._file)
            self._file.close()
            self._file = None
        if self._crashes is not None:
            faulthandler.disable()
            self._crashes.close()
            self._crashes = None

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        logger.critical("uncaught", exc_info=(kind, error, trace))
        self.failed.emit(f"Unexpected {kind.__name__}: {error}. The program goes on; the log has the details.")

    def _uncaught_in_thread(self, arguments: threading.ExceptHookArgs) -> None:
        error = arguments.exc_value or arguments.exc_type()
        self._uncaught(arguments.exc_type, error, arguments.exc_traceback)


def _log_qt(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    logging.getLogger("qt").log(_QT_LEVELS.get(kind, logging.WARNING), message)
