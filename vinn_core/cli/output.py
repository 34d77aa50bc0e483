"""What a command prints: a readable line and progress bars for people, JSON for programs, events for the window."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from tqdm import tqdm

from vinn_core.cli.flags import STOPPED
from vinn_core.config import JsonRecord
from vinn_core.progress import (
    JobEvent,
    JobFailed,
    JobFinished,
    JobStopped,
    Message,
    ProbeMeasured,
    StageProgress,
    StopRequest,
    TrainingMetrics,
    encode_event,
    yield_to_the_window,
)


class JobOutput:
    """Where the events of one command go.

    Args:
        as_json: the result is printed as one JSON object on stdout; all else goes to stderr.
        as_events: every event is one JSON line on stdout, and stdin can stop the job, see `listen`.
    """

    def __init__(self, as_json: bool = False, as_events: bool = False) -> None:
        self._as_json = as_json
        self._as_events = as_events
        self._bar: tqdm[Any] | None = None
        self._stage = ""
        self._curves: dict[str, str] = {}
        self.stop = StopRequest()

    def listen(self) -> None:
        """From now on stdin can stop a job whose events are wanted; the window comes first."""
        if self._as_events:
            self.stop.listen()
            yield_to_the_window()

    def report(self, event: JobEvent) -> None:
        """Show one event."""
        if self._as_events:
            self._print(encode_event(event))
        elif isinstance(event, StageProgress):
            self._show_progress(event)
        elif isinstance(event, Message):
            tqdm.write(f"{event.level}: {event.text}", file=sys.stderr)
        elif isinstance(event, TrainingMetrics):
            self._show_curves({"loss": f"{event.loss:.3f}", "collapse": f"{event.collapse:.2f}"})
        elif isinstance(event, ProbeMeasured):
            self._show_curves({"action error": f"{event.relative:.2f}"})

    def finish(self, result: JsonRecord, text: str) -> int:
        """The command did what was asked; returns its exit code."""
        self._end(JobFinished(result.to_dict()), result, text)
        return 0

    def stopped(self, result: JsonRecord | None, text: str) -> int:
        """The command ended early because it was asked to; returns its exit code."""
        self._end(JobStopped(text), result, text)
        return STOPPED

    def _end(self, event: JobEvent, result: JsonRecord | None, text: str) -> None:
        self._close_bar()
        if self._as_events:
            self._print(encode_event(event))
        elif self._as_json:
            self._print(json.dumps(result.to_dict() if result else {}))
        else:
            self._print(text)

    def fail(self, text: str) -> None:
        """The command could not go on: one clear line on stderr."""
        self._close_bar(leave=False)
        if self._as_events:
            self._print(encode_event(JobFailed(text)))
        print(text, file=sys.stderr, flush=True)

    def _print(self, line: str) -> None:
        try:
            print(line, flush=True)
        except BrokenPipeError:  # whoever read this has gone: save what there is and end, quietly
            self.stop.set()
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def _show_progress(self, event: StageProgress) -> None:
        if self._bar is None or self._stage != event.stage:
            self._close_bar()
            self._bar = tqdm(total=event.total, unit=event.unit, file=sys.stderr, leave=True)
            self._bar.set_description_str(event.stage)
            self._stage = event.stage
        self._bar.total = event.total
        self._bar.update(event.done - self._bar.n)

    def _show_curves(self, newest: dict[str, str]) -> None:
        self._curves |= newest
        if self._bar is not None:
            self._bar.set_postfix(self._curves, refresh=False)

    def _close_bar(self, leave: bool = True) -> None:
        if self._bar is not None:
            self._bar.leave = leave
            self._bar.close()
            self._bar = None
