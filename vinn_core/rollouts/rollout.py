"""One policy-driven episode in a headless session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import Episode, EpisodeInfo, Source
from vinn_core.errors import VinnError
from vinn_core.session.loop import Session
from vinn_core.session.messages import (
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
from vinn_core.session.policy import Neighbour


@dataclass(frozen=True, eq=False)
class Rollout:
    """One autonomous episode of T ticks and its outcome; can be replayed, see `vinn_core.session.messages.StartReplay`.

    Attributes:
        info: task, look and seed of the reset among others; its `model_xml` is empty.
        end: why it ended.
        states: (T + 1, S) float64, from the reset to the end.
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
        """Of its reset."""
        return self.info.seed

    @property
    def success(self) -> bool:
        """Whether it solved the task."""
        return self.end is RunEnd.SUCCESS


def rollout_info(*, task: str, look: str, seed: int, control_hz: float, end: RunEnd, created: str) -> EpisodeInfo:
    """Facts about a rollout that ended so; `created` is ISO 8601, UTC."""
    return EpisodeInfo(
        task=task,
        look=look,
        seed=seed,
        control_hz=control_hz,
        source=Source.AUTONOMOUS,
        success=end is RunEnd.SUCCESS,
        operator="",
        created=created,
        model_xml="",
    )


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
        info = rollout_info(
            task=session.simulation.task.name,
            look=session.simulation.look,
            seed=seed,
            control_hz=session.control_hz,
            end=self._end,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        return Rollout(info, self._end, np.stack(states), np.stack(actions), tuple(neighbours), self._episode)
