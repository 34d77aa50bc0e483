"""One policy-driven episode in a headless session, and the worker processes that run many of them side by side."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import get_context, parent_process
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vinn_core.episode import Episode, EpisodeInfo, Source
from vinn_core.errors import ConfigError, VinnError
from vinn_core.messages import (
    AutonomousEnded,
    CommandRefused,
    Event,
    Mode,
    RecordingFinished,
    ResetScene,
    RunEnd,
    StartAutonomous,
    StartRecording,
    StopRecording,
)
from vinn_core.policy import Neighbour
from vinn_core.session import Session


@dataclass(frozen=True, eq=False)
class Rollout:
    """One autonomous episode of T ticks and its outcome; can be replayed, see `vinn_core.messages.StartReplay`.

    Attributes:
        info: task, look and seed of the reset among others; its `model_xml` is empty.
        end: why it ended. states: (T + 1, S) float64, from the reset to the end.
        executed_actions: (T, 7) float32, see `Action`.
        neighbours: what each of the T actions came from, nearest first; empty ones for policies without any.
        episode: the recorded steps, None unless recording was asked for.
    """

    info: EpisodeInfo
    end: RunEnd
    states: NDArray[np.float64]
    executed_actions: NDArray[np.float32]
    neighbours: tuple[tuple[Neighbour, ...], ...]
    episode: Episode | None = None

    def __len__(self) -> int:
        return len(self.executed_actions)

    @property
    def seed(self) -> int:
        return self.info.seed

    @property
    def success(self) -> bool:
        return self.end is RunEnd.SUCCESS


class RolloutRunner:
    """Runs seeded rollouts in one session, whose policy has been set by SetPolicy.

    `on_event` of the session must be this object's `notice`.
    """

    def __init__(self) -> None:
        self._end = RunEnd.STOPPED
        self._episode: Episode | None = None

    def notice(self, event: Event) -> None:
        """Take an event of the session in. Raises VinnError when a command was refused."""
        if isinstance(event, AutonomousEnded):
            self._end = event.reason
        elif isinstance(event, RecordingFinished) and isinstance(event.recording, Episode):
            self._episode = event.recording
        elif isinstance(event, CommandRefused):
            raise VinnError(event.text)

    def run(self, session: Session, seed: int, record: bool = False) -> Rollout:
        """Reset to `seed` and let the policy drive to success or time-out."""
        self._episode = None
        session.handle(ResetScene(seed))
        if record:
            session.handle(StartRecording())
        session.handle(StartAutonomous())
        states = [session.simulation.state()]
        actions, neighbours = [], []
        while session.mode is Mode.AUTONOMOUS:
            snapshot = session.tick()
            states.append(snapshot.state)
            actions.append(snapshot.action.as_array())
            neighbours.append(snapshot.decision.neighbours if snapshot.decision else ())
        if record:
            session.handle(StopRecording())
        info = EpisodeInfo(
            task=session.simulation.task.name,
            look=session.simulation.look,
            seed=seed,
            control_hz=session.control_hz,
            source=Source.AUTONOMOUS,
            success=self._end is RunEnd.SUCCESS,
            operator="",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            model_xml="",
        )
        return Rollout(info, self._end, np.stack(states), np.stack(actions), tuple(neighbours), self._episode)


def map_in_processes(
    function: Callable[..., Any],
    items: Iterable[Any],
    processes: int,
    initializer: Callable[..., None],
    initargs: tuple[Any, ...],
) -> Iterator[Any]:
    """`function` of each item, in order, computed `processes` at a time; only a few items ahead of the consumer.

    Each worker process is fresh (spawned), calls `initializer(*initargs)` first, and keeps to one core.
    Ending the iteration early cancels what has not begun.

    Raises:
        ConfigError: `processes` is less than one.
        VinnError: what `initializer` or `function` raised, or a worker process died.
    """
    if processes < 1:
        raise ConfigError(f"processes = {processes}; use 1 or more.")
    saved = {name: os.environ.get(name) for name in _ONE_CORE}
    os.environ.update(_ONE_CORE)  # spawned workers inherit it; set before their libraries load
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start_worker, (initializer, initargs))
    try:
        waiting: deque[Future[Any]] = deque()
        for item in items:
            waiting.append(pool.submit(_call, function, item))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise VinnError(
            "A worker process died, perhaps for want of memory; use fewer processes, or close other programs."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_refusal: VinnError | None = None
"""In a worker: why it could not be initialised. Kept, because a pool hides what its initializer raises."""


def _start_worker(initializer: Callable[..., None], initargs: tuple[Any, ...]) -> None:
    global _refusal
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a shell reaches all; the parent ends its workers
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        initializer(*initargs)
    except VinnError as error:
        _refusal = error


def _end_with_the_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[..., Any], item: Any) -> Any:
    if _refusal is not None:
        raise _refusal
    return function(item)


_ONE_CORE = {"LP_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Several renderers or matrix products that each want every core only wait for one another."""


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
