"""The episode being recorded: its steps, where they came from, and how it ended."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import Action, Observation, Source
from vinn_core.session.messages import RecordingDiscarded, RecordingFinished


class StepRecorder(Protocol):
    """What a session needs of a recorder, see `vinn_core.episodes.recorder`."""

    def append(
        self,
        observation: Observation,
        action: Action,
        executed_action: Action,
        *,
        state: NDArray[np.float64],
    ) -> None:
        """Take one control tick in; `state` is (S,) float64, before the action."""
        ...

    def finish(self, success: bool | None, source: Source) -> object: ...

    def discard(self) -> None: ...


class Recording:
    """One episode on its way through `recorder`.

    Attributes:
        frames: recorded so far.
    """

    def __init__(self, recorder: StepRecorder) -> None:
        self._recorder = recorder
        self._sources: set[Source] = set()
        self._solved = False
        self.frames = 0

    def append(
        self,
        source: Source,
        observation: Observation,
        *,
        action: Action,
        executed_action: Action,
        state: NDArray[np.float64],
    ) -> None:
        """Take one control tick in; `state` is (S,) float64, before the action."""
        self._recorder.append(observation, action, executed_action, state=state)
        self._sources.add(source)
        self.frames += 1

    def notice(self, solved: bool) -> None:
        """Whether the task is solved after the last tick; once is enough."""
        self._solved = self._solved or solved

    def finish(self, success: bool | None) -> RecordingFinished | RecordingDiscarded:
        """End it; `success` overrules what was noticed. Without a single frame there is no episode."""
        if self.frames == 0:
            return self.discard()
        outcome = self._solved if success is None else success
        source = next(iter(self._sources)) if len(self._sources) == 1 else Source.CORRECTION
        return RecordingFinished(self._recorder.finish(outcome, source), self.frames, outcome)

    def discard(self) -> RecordingDiscarded:
        """Throw it away."""
        self._recorder.discard()
        return RecordingDiscarded(self.frames)
