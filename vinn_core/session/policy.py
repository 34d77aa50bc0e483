"""What a session asks of whatever decides the next action, and what it is told of the decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vinn_core.episodes.episode import Action, Observation


@dataclass(frozen=True)
class Neighbour:
    """One recorded frame that the policy follows.

    Attributes:
        episode: episode number.
        step: 0-based step within it.
        distance: Euclidean distance between the embeddings (no unit).
        weight: share in the decision; the weights of one decision sum to 1.
    """

    episode: int
    step: int
    distance: float
    weight: float


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy chose for one control tick.

    Attributes:
        action: what to do.
        neighbours: what it came from, nearest first; empty for policies without any.
        open_vote: share of the neighbours, by weight, that want the gripper open, in [0, 1]; None without neighbours.
        encode_ms: time spent embedding the observation [ms].
        search_ms: time spent looking up the neighbours [ms].
    """

    action: Action
    neighbours: tuple[Neighbour, ...] = ()
    open_vote: float | None = None
    encode_ms: float = 0.0
    search_ms: float = 0.0


class Policy(Protocol):
    """Chooses an action each control tick. `cameras` names the images it needs in the observation."""

    @property
    def cameras(self) -> tuple[str, ...]:
        """The images that an observation must have."""
        ...

    def reset(self) -> None:
        """Forget the last rollout; call before each one."""
        ...

    def act(self, observation: Observation) -> Decision:
        """What to do now. Raises DatasetError when the observation lacks one of `cameras`."""
        ...
