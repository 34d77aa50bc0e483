"""Events of a long job as JSON lines, and the request to stop it.

A job (training, indexing, collecting, evaluating) runs in a process of its own. It writes one JSON object a
line to stdout; whoever started it sends the line "stop" to its stdin, or vanishes (end of file), to end it.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO, get_args


@dataclass(frozen=True)
class StageProgress:
    """How far one stage of the job is.

    Attributes:
        stage: short readable name, such as "Training encoder" or "Building index".
        done: units done.
        total: units in all.
        unit: what is counted: "image", "frame", "episode", "rollout".
        seconds_left: estimate [s], None while unknown.
    """

    stage: str
    done: int
    total: int
    unit: str
    seconds_left: float | None = None


@dataclass(frozen=True)
class TrainingMetrics:
    """One point of the training curves.

    Attributes:
        step: optimiser step.
        epoch: fractional epoch.
        loss: BYOL loss, in [0, 8]: the sum over both views.
        collapse: standard deviation of the normalised projections times sqrt(dimension); 1 is healthy, 0 collapsed.
        learning_rate: current learning rate.
        images_per_second: throughput.
    """

    step: int
    epoch: float
    loss: float
    collapse: float
    learning_rate: float
    images_per_second: float


@dataclass(frozen=True)
class ProbeMeasured:
    """The action error of the encoder being trained, asked of recorded frames.

    See `vinn_core.retrieval.action_error.ActionError`.

    Attributes:
        epoch: after so many; 0: of the start weights.
        relative: in standard deviations of the actions.
        linear: [m/s].
        angular: [rad/s].
        gripper: in [0, 1].
    """

    epoch: float
    relative: float
    linear: float
    angular: float
    gripper: float


@dataclass(frozen=True)
class Message:
    """A sentence for the person; level is "info" or "warning"."""

    text: str
    level: str = "info"


@dataclass(frozen=True)
class JobFinished:
    """The job did what was asked. `result` is the same JSON object that `--json` prints."""

    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobStopped:
    """The job ended early on request; `text` says what was kept and how to go on."""

    text: str


@dataclass(frozen=True)
class JobFailed:
    """The job could not go on; `text` is one clear sentence with a way out."""

    text: str


JobEvent = StageProgress | TrainingMetrics | ProbeMeasured | Message | JobFinished | JobStopped | JobFailed

_KINDS: dict[str, type] = {kind.__name__: kind for kind in get_args(JobEvent)}


def encode_event(event: JobEvent) -> str:
    """One line of JSON (without the newline)."""
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def decode_event(line: str) -> JobEvent | None:
    """The event a line stands for; None for a line that is not an event (a library's stray print)."""
    try:
        fields = json.loads(line)
        kind = _KINDS[fields.pop("event")]
        return kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


Report = Callable[[JobEvent], None]
"""Receives each event of a job, in order."""


class StopRequest:
    """Whether the job has been asked to stop. Safe to read from any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the job to stop."""
        self._event.set()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def listen(self, stream: TextIO = sys.stdin) -> None:
        """Watch `stream` from a daemon thread; the line "stop" or its end sets the request."""

        def watch() -> None:
            for line in stream:
                if line.strip() == "stop":
                    break
            self._event.set()

        threading.Thread(target=watch, name="stop-request", daemon=True).start()


def yield_to_the_window() -> None:
    """Give this process and its children the lowest priority: the control loop and the window come first."""
    if hasattr(os, "nice"):
        with suppress(OSError):
            os.nice(19)
