"""Job: a long task in a process of its own, the same command line that a headless user runs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QProcess, QProcessEnvironment, QTimer, Signal

from vinn_core.config import JsonConfig
from vinn_core.progress import JobEvent, JobFailed, JobFinished, JobStopped, decode_event

logger = logging.getLogger(__name__)

PROGRAM = (sys.executable, "-m", "vinn_core")
_SOURCE_FOLDER = Path(__file__).resolve().parents[2]
_FAREWELL_MS = 20_000
"""How long the end of the program waits for a job to save what it has."""


class Job(QObject):
    """One run of the command line with `--events`, told what to do by one JSON document.

    `event_received` carries every JobEvent in order; the last one is always exactly one of JobFinished, JobStopped or
    JobFailed, whatever becomes of the process. The child's stdin stays open: when this process vanishes the child
    reads the end of it and saves what it has.

    Args:
        command: such as "train".
        workspace_folder: what it works on.
        config: what the command is asked to do, such as a `TrainJob`.
        program: what is run.
        patience_ms: after `stop`, how long until it is terminated; half of that again until it is killed.
    """

    event_received = Signal(object)

    def __init__(
        self,
        command: str,
        workspace_folder: Path,
        config: JsonConfig,
        *,
        program: Sequence[str] = PROGRAM,
        patience_ms: int = 60_000,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._command = [*program, command, "--workspace", str(workspace_folder), "--events", "--config", "-"]
        self._document = config.to_json()
        self._patience_ms = patience_ms
        self._stdout = b""
        self._stderr = b""
        self._last_words = ""
        self._stopping = False
        self._outcome: JobEvent | None = None
        self._process = QProcess(self)
        self._process.setProcessEnvironment(_environment())
        self._process.readyReadStandardOutput.connect(self._read_events)
        self._process.readyReadStandardError.connect(self._read_errors)
        self._process.errorOccurred.connect(self._could_not_start)
        self._process.finished.connect(self._end)
        self._deadline = QTimer(self, singleShot=True)
        self._deadline.timeout.connect(self._insist)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    @property
    def stopping(self) -> bool:
        """Whether it has been asked to stop."""
        return self._stopping

    def start(self) -> None:
        """Start the process; events follow."""
        logger.info("starting %s with %s", " ".join(self._command), " ".join(self._document.split()))
        application = QCoreApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)
        self._process.start(self._command[0], self._command[1:])
        if self.running:
            self._process.write(self._document.encode())

    def stop(self) -> None:
        """Ask it to save what it has and end; terminated, then killed when it does not answer."""
        if self._stopping or not self.running:
            return
        self._stopping = True
        self._process.write(b"stop\n")
        self._deadline.start(self._patience_ms)

    def close(self) -> None:
        """Stop and wait for the end, blocking; for the end of the program."""
        if not self.running:
            return
        self.stop()
        self._process.closeWriteChannel()
        if not self._process.waitForFinished(min(self._patience_ms, _FAREWELL_MS)):
            self._process.kill()
            self._process.waitForFinished(2000)

    def _insist(self) -> None:
        if not self.running:
            return
        logger.warning("the job does not end: terminating it")
        self._process.terminate()
        QTimer.singleShot(self._patience_ms // 2, self._process, self._process.kill)

    def _read_events(self) -> None:
        self._stdout += bytes(self._process.readAllStandardOutput().data())
        *lines, self._stdout = self._stdout.split(b"\n")
        for line in lines:
            event = decode_event(line.decode(errors="replace"))
            if isinstance(event, JobFinished | JobStopped | JobFailed):
                # Told when the process is gone: whoever hears of the end may start the next job at once.
                self._outcome = event
                self._deadline.start(self._patience_ms)
            elif event is not None:
                self.event_received.emit(event)
            elif line.strip():
                logger.info("job: %s", line.decode(errors="replace"))

    def _read_errors(self) -> None:
        self._stderr += bytes(self._process.readAllStandardError().data()).replace(b"\r", b"\n")
        *lines, self._stderr = self._stderr.split(b"\n")  # a line may arrive in pieces
        for line in lines:
            self._note_words(line)

    def _note_words(self, line: bytes) -> None:
        words = line.decode(errors="replace").strip()
        if words:
            self._last_words = words
            logger.debug("job: %s", words)

    def _could_not_start(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self.event_received.emit(JobFailed(f"The job could not be started: {self._process.errorString()}."))

    def _end(self, exit_code: int, status: QProcess.ExitStatus) -> None:
        self._deadline.stop()
        self._read_events()
        self._read_errors()
        self._note_words(self._stderr)
        self.event_received.emit(self._outcome or self._explain(exit_code, status))

    def _explain(self, exit_code: int, status: QProcess.ExitStatus) -> JobEvent:
        """What happened to a process that did not say so itself."""
        if self._stopping:
            return JobStopped("Stopped; what was saved last is kept.")
        logger.error("the job ended with code %d: %s", exit_code, self._last_words)
        if status == QProcess.ExitStatus.CrashExit:
            return JobFailed("The job was killed or crashed. What it had saved is kept; start it again to go on.")
        why = f": {self._last_words.rstrip('.')}" if self._last_words else f" with code {exit_code}"
        return JobFailed(f"The job ended unexpectedly{why}.")


def _environment() -> QProcessEnvironment:
    """Ours, so that the child finds `vinn_core` in a source checkout whatever the working folder."""
    environment = QProcessEnvironment.systemEnvironment()
    paths = [str(_SOURCE_FOLDER), environment.value("PYTHONPATH")]
    environment.insert("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    environment.insert("PYTHONUNBUFFERED", "1")
    return environment
