"""What a command prints: a readable line and progress bars for people, JSON for programs, events for the window."""

from __future__ import annotations

import json
import sys
from typing import Any

from tqdm import tqdm

from vinn_core.progress import (
    JobEvent,
    JobFailed,
    JobFinished,
    JobStopped,
    Message,
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
        as_events: every event is one JSON line on stdout, and stdin can stop the job.
    """

    def __init__(self, as_json: bool = False, as_events: bool = False) -> None:
        self._as_json = as_json
        self._as_events = as_events
        self._bar: tqdm[Any] | None = None
        self.stop = StopRequest()
        if as_events:
            self.stop.listen()
            yield_to_the_window()

    def report(self, event: JobEvent) -> None:
        """Show one event."""
        if self._as_events:
            print(encode_event(event), flush=True)
        elif isinstance(event, StageProgress):
            self._show_progress(event)
        elif isinstance(event, Message):
            tqdm.write(f"{event.level}: {event.text}", file=sys.stderr)
        elif isinstance(event, TrainingMetrics) and self._bar is not None:
            self._bar.set_postfix(loss=f"{event.loss:.3f}", collapse=f"{event.collapse:.2f}", refresh=False)

    def finish(self, result: dict[str, Any], text: str) -> None:
        """The command did what was asked."""
        self._close_bar()
        if self._as_events:
            print(encode_event(JobFinished(result)), flush=True)
        elif self._as_json:
            print(json.dumps(result), flush=True)
        else:
            print(text, flush=True)

    def stopped(self, text: str, result: dict[str, Any]) -> None:
        """The command ended early because it was asked to."""
        self._close_bar()
        if self._as_events:
            print(encode_event(JobStopped(text)), flush=True)
        else:
            print(json.dumps(result) if self._as_json else text, flush=True)

    def fail(self, text: str) -> None:
        """The command could not go on: one clear line on stderr."""
        self._close_bar()
        if self._as_events:
            print(encode_event(JobFailed(text)), flush=True)
        print(text, file=sys.stderr, flush=True)

    def _show_progress(self, event: StageProgress) -> None:
        if self._bar is None or self._bar.desc != event.stage:
            self._close_bar()
            self._bar = tqdm(total=event.total, unit=event.unit, file=sys.stderr, leave=True)
            self._bar.set_description_str(event.stage)
            self._bar.desc = event.stage
        self._bar.total = event.total
        self._bar.update(event.done - self._bar.n)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
