"""A recording played again in a simulation: by setting its states, or by repeating its actions open loop."""

from __future__ import annotations

from collections.abc import Sequence

from vinn_core.episodes.episode import Action
from vinn_core.session.messages import Replayable, ReplayKind
from vinn_core.session.policy import Decision, Neighbour
from vinn_core.world.simulation import Simulation


class Replay:
    """Goes through one recording, a control tick at a time.

    Args:
        recording: of T ticks.
        kind: how it is played.
        neighbours: what each of the T actions came from, where that is known.

    Attributes:
        step: ticks played so far.
        solved: whether the task was solved at any moment so far.
    """

    def __init__(
        self,
        recording: Replayable,
        kind: ReplayKind = ReplayKind.STATES,
        neighbours: Sequence[Sequence[Neighbour]] = (),
    ) -> None:
        self.recording = recording
        self.kind = kind
        self.step = 0
        self.solved = False
        self._neighbours = neighbours

    def __len__(self) -> int:
        return len(self.recording)

    @property
    def finished(self) -> bool:
        """Whether every action has been played."""
        return self.step >= len(self)

    @property
    def action(self) -> Action:
        """The next one to be played."""
        return Action.from_array(self.recording.executed_actions[self.step])

    @property
    def decision(self) -> Decision | None:
        """What the next action came from, where that is known."""
        return Decision(self.action, tuple(self._neighbours[self.step])) if self._neighbours else None

    def begin(self, simulation: Simulation) -> None:
        """Put the simulation where the recording begins, in its look."""
        info = self.recording.info
        simulation.reset(info.seed, info.look)
        simulation.set_state(self.recording.states[0])

    def advance(self, simulation: Simulation) -> Action:
        """Play one tick; returns what was applied."""
        action, states = self.action, self.recording.states
        self.step += 1
        if self.kind is ReplayKind.ACTIONS or self.step >= len(states):
            applied = simulation.step(action)  # what an episode's last action led to is not among its states
        else:
            applied = simulation.step_to(action, states[self.step])
        self.solved = self.solved or simulation.succeeded()
        return applied
