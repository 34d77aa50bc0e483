"""What a job tells the window, line by line, and how it is asked to stop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import get_args

import pytest

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
    decode_event,
    encode_event,
)

EVENTS: list[JobEvent] = [
    StageProgress("Building index", 3, 10, "frame"),
    StageProgress("Training encoder", 3, 10, "image", 12.5),
    ProbeMeasured(0.0, 0.62, 0.041, 0.15, 0.02),
    TrainingMetrics(7, 0.5, 1.25, 0.9, 1e-3, 81.5),
    Message("Zoë's disk is nearly full.\nFree some space.", "warning"),
    JobFinished({"success_rate": 0.5, "seeds": [1, 2], "index": {"name": "default"}, "loss": None}),
    JobStopped("A checkpoint was kept."),
    JobFailed("There are no episodes yet."),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_survives_its_line_of_json(event: JobEvent) -> None:
    line = encode_event(event)
    assert "\n" not in line
    assert decode_event(line) == event


def test_no_kind_of_event_is_left_out_above() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(JobEvent))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Downloading weights ...",
        "42",
        "null",
        '["event"]',
        "{}",
        '{"event": "Unheard"}',
        '{"event": "JobStopped"}',
        '{"event": "JobStopped", "text": "a", "more": 1}',
        '{"event": ["JobStopped"], "text": "a"}',
    ],
)
def test_a_line_that_is_no_event_is_passed_over(line: str) -> None:
    assert decode_event(line) is None


class Lines:
    """A stream that a test writes to; it knows when its reader has digested a line and waits for the next."""

    def __init__(self) -> None:
        self.reader_waits = threading.Semaphore(0)
        self._queue: SimpleQueue[str | None] = SimpleQueue()

    def write(self, line: str | None) -> None:
        """None is the end of the stream."""
        self._queue.put(line)

    def __iter__(self) -> Iterator[str]:
        self.reader_waits.release()
        while (line := self._queue.get()) is not None:
            yield line
            self.reader_waits.release()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def request_to_stop(lines: Lines) -> StopRequest:
    """Listens to `lines`."""
    request = StopRequest()
    request.listen(lines)
    assert lines.reader_waits.acquire(timeout=10)
    return request


def _wait_for(request: StopRequest) -> None:
    for thread in threading.enumerate():
        if thread.name == "stop-request":
            thread.join(10)
    assert request


def test_the_line_stop_asks_the_job_to_stop(request_to_stop: StopRequest, lines: Lines) -> None:
    lines.write("hello\n")
    assert lines.reader_waits.acquire(timeout=10)
    assert not request_to_stop
    lines.write("stop\n")
    _wait_for(request_to_stop)


def test_a_window_that_vanishes_asks_the_job_to_stop(request_to_stop: StopRequest, lines: Lines) -> None:
    assert not request_to_stop
    lines.write(None)
    _wait_for(request_to_stop)


def test_a_stop_can_be_requested_by_the_program_itself() -> None:
    request = StopRequest()
    assert not request
    request.set()
    assert request
