"""A job without a process: the test says what it tells."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from vinn_core.progress import JobEvent


class PretendJob(QObject):
    """Stands in for `app.job.Job`; `made` are all there were, in order."""

    event_received = Signal(object)
    made: list[PretendJob]

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__()
        self.arguments = tuple(arguments)
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

    def options(self) -> argparse.Namespace:
        """As the command line understands them; ends the test when it does not."""
        from vinn_core.__main__ import _parser

        return _parser().parse_args([*self.arguments, "--events"])

    def option(self, name: str) -> str:
        """The value after option `name`."""
        return self.arguments[self.arguments.index(name) + 1]
