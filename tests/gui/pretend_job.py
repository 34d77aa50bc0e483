"""A job without a process: the test says what it tells."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from vinn_core.cli.flags import job_from
from vinn_core.cli.main import COMMANDS
from vinn_core.config import JsonConfig
from vinn_core.progress import JobEvent


class PretendJob(QObject):
    """Stands in for `app.state.job.Job`; `made` are all there were, in order."""

    event_received = Signal(object)
    made: list[PretendJob]

    def __init__(self, command: str, workspace_folder: Path, config: JsonConfig) -> None:
        super().__init__()
        self.command, self.workspace_folder, self.config = command, workspace_folder, config
        self.started = self.stopping = False
        PretendJob.made.append(self)

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopping = True

    def close(self) -> None:
        self.stopping = True

    def tell(self, *events: JobEvent) -> None:
        for event in events:
            self.event_received.emit(event)

    def understood(self) -> JsonConfig:
        """What the command line makes of the document; ends the test when it makes nothing of it."""
        kind = next(known.job for known in COMMANDS if known.name == self.command)
        return job_from(kind, {}, json.loads(self.config.to_json()))
