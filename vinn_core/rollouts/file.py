"""A rollout's arrays as one .npz file, so that it can be watched again with its neighbours."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vinn_core.errors import DatasetError
from vinn_core.rollouts.rollout import Rollout
from vinn_core.session.policy import Neighbour


@dataclass(frozen=True, eq=False)
class RolloutArrays:
    """The arrays of a `Rollout`."""

    states: NDArray[np.float64]
    executed_actions: NDArray[np.float32]
    neighbours: tuple[tuple[Neighbour, ...], ...]


def write_rollout(path: Path, rollout: Rollout) -> None:
    """Write `states`, `executed_actions` and the neighbours of all ticks in a row. Raises OSError."""
    flat = [near for neighbours in rollout.neighbours for near in neighbours]
    np.savez_compressed(
        path,
        states=rollout.states,
        executed_actions=rollout.executed_actions,
        neighbours_per_tick=np.array([len(neighbours) for neighbours in rollout.neighbours], np.int32),
        neighbour_episodes=np.array([near.episode for near in flat], np.int32),
        neighbour_steps=np.array([near.step for near in flat], np.int32),
        neighbour_distances=np.array([near.distance for near in flat], np.float64),
        neighbour_weights=np.array([near.weight for near in flat], np.float64),
    )


def read_rollout(path: Path) -> RolloutArrays:
    """Raises DatasetError when the file is missing or damaged."""
    try:
        # Opened here, because np.load leaves the file open when it is not a whole archive.
        with path.open("rb") as file, np.load(file) as arrays:
            states, actions = arrays["states"], arrays["executed_actions"]
            per_tick = arrays["neighbours_per_tick"]
            columns = ("neighbour_episodes", "neighbour_steps", "neighbour_distances", "neighbour_weights")
            flat = [Neighbour(*row) for row in zip(*(arrays[name].tolist() for name in columns), strict=True)]
        if not (len(states) == len(actions) + 1 == len(per_tick) + 1 and per_tick.sum() == len(flat)):
            raise ValueError("its arrays do not belong together")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"The rollout {path.stem} of the evaluation '{path.parent.parent.name}' cannot be read ({error}); "
            "run the evaluation again."
        ) from error
    ends = np.cumsum(per_tick).tolist()
    neighbours = tuple(tuple(flat[end - n : end]) for end, n in zip(ends, per_tick.tolist(), strict=True))
    return RolloutArrays(states, actions, neighbours)
