"""Replaying a recorded episode headless, by its states or by its actions, and how far off it ends."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from vinn_core.config import JsonRecord
from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Episode
from vinn_core.session.messages import ReplayKind
from vinn_core.session.replay import Replay
from vinn_core.workspace import Workspace
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task


@dataclass(frozen=True)
class ReplayResult(JsonRecord):
    """How a replay ended.

    Attributes:
        episode: its number.
        by: "states" or "actions".
        steps: control ticks.
        final_state_error: largest absolute difference of the positions in the last recorded state.
        final_object_error_m: distance of the object there [m].
        success: whether the task was solved at any moment of the replay.
    """

    episode: int
    by: ReplayKind
    steps: int
    final_state_error: float
    final_object_error_m: float
    success: bool

    def in_words(self) -> str:
        """How far off it ended, on one line."""
        return (
            f"episode {self.episode} by {self.by}: final object error {self.final_object_error_m * 1e3:.3f} mm, "
            f"{'solved' if self.success else 'not solved'}"
        )


def replay_episode(workspace: Workspace, number: int, by_states: bool) -> ReplayResult:
    """Replay episode `number` from its recorded start state.

    Raises:
        DatasetError: no such episode, or it is damaged. SceneError: it was recorded in another scene.
    """
    episode = Dataset(workspace).load(number)
    info = episode.info
    simulation = Simulation(load_task(info.task), info.look, info.control_hz)
    return replay_in(simulation, episode, number=number, by_states=by_states)


def replay_in(simulation: Simulation, episode: Episode, *, number: int, by_states: bool) -> ReplayResult:
    """As `replay_episode`, in a given simulation of the episode's task."""
    replay = Replay(episode, ReplayKind.STATES if by_states else ReplayKind.ACTIONS)
    replay.begin(simulation)
    ended_at = simulation.state()
    while not replay.finished:
        ended_at = simulation.state()  # what the last action leads to is not among an episode's states
        replay.advance(simulation)
    positions = slice(1, 1 + simulation.model.nq)
    difference = ended_at[positions] - episode.states[-1][positions]
    free = simulation.model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    objects = [difference[address : address + 3] for address in simulation.model.jnt_qposadr[free]]
    return ReplayResult(
        episode=number,
        by=replay.kind,
        steps=len(episode),
        final_state_error=float(np.abs(difference).max()),
        final_object_error_m=float(max((np.linalg.norm(offset) for offset in objects), default=0.0)),
        success=replay.solved,
    )
