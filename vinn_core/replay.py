"""Replaying a recorded episode headless, by its states or by its actions, and how far off it ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from vinn_core.dataset import Dataset
from vinn_core.episode import Action, Episode
from vinn_core.simulation import Simulation
from vinn_core.task import load_task
from vinn_core.workspace import Workspace


def replay(workspace: Workspace, number: int, by_states: bool) -> dict[str, Any]:
    """Replay episode `number` from its recorded start state.

    Returns:
        {"episode", "by": "states" or "actions", "steps", "final_state_error": largest absolute difference of the
        positions in the last recorded state, "final_object_error_m": distance of the object there [m], "success":
        whether the task is solved at any moment of the replay}.

    Raises:
        DatasetError: no such episode, or it is damaged. SceneError: it was recorded in another scene.
    """
    episode = Dataset(workspace).load(number)
    simulation = Simulation(load_task(episode.info.task), episode.info.look, episode.info.control_hz)
    simulation.reset(episode.info.seed, episode.info.look)
    return {
        "episode": number,
        "by": "states" if by_states else "actions",
        **replay_in(simulation, episode, by_states),
    }


def replay_in(simulation: Simulation, episode: Episode, by_states: bool) -> dict[str, Any]:
    """As `replay`, in a given simulation that has the episode's look."""
    simulation.set_state(episode.states[0])
    solved = False
    for step in range(len(episode) - 1):
        action = Action.from_array(episode.executed_actions[step])
        if by_states:
            simulation.step_to(action, episode.states[step + 1])
        else:
            simulation.step(action)
        solved = solved or simulation.succeeded()
    positions = simulation.model.nq
    difference = simulation.state()[1 : 1 + positions] - episode.states[-1][1 : 1 + positions]
    simulation.step(Action.from_array(episode.executed_actions[-1]))  # what it leads to is not among the states
    solved = solved or simulation.succeeded()
    free = simulation.model.jnt_type == 0  # mjJNT_FREE
    objects = [difference[address : address + 3] for address in simulation.model.jnt_qposadr[free]]
    return {
        "steps": len(episode),
        "final_state_error": float(np.abs(difference).max()),
        "final_object_error_m": float(max((np.linalg.norm(offset) for offset in objects), default=0.0)),
        "success": bool(solved),
    }
