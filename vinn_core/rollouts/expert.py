"""The scripted expert as a policy, and the noise that makes its demonstrations show recovery."""

from __future__ import annotations

import numpy as np

from vinn_core.episodes.episode import Action, Observation
from vinn_core.session.policy import Decision
from vinn_core.world.random_streams import Stream, random_of
from vinn_core.world.simulation import Simulation

_PERSISTENCE = 0.5
"""Share of the last tick's noise that remains: real disturbances do not average out at once."""
_LINEAR_NOISE = 0.018
_ANGULAR_NOISE = 0.09
"""Standard deviation of the fresh noise at scale 1 [m/s], [rad/s]; the expert still solves every reset."""
_BURST_CHANCE = 0.05
_BURST_TICKS = 2, 6
_LINEAR_BURST = 0.09
_ANGULAR_BURST = 0.35
"""At scale 1, the arm is pushed off its way this often a tick, for at least and at most so many ticks, in one random
direction of this standard deviation [m/s], [rad/s]: the demonstration then shows the way back from farther off than
small noise ever leads."""
_SLIP_CHANCE = 0.03
_SLIP_TICKS = 4
"""At scale 1, an open gripper closes by mistake this often a tick and for this long: the demonstration then shows that
an empty closed gripper is to be opened."""


class ExpertPolicy:
    """Drives a session by the task's scripted expert, which reads the true state instead of the observation."""

    cameras: tuple[str, ...] = ()

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._expert = simulation.task.expert()

    def reset(self) -> None:
        self._expert.reset()

    def act(self, observation: Observation) -> Decision:
        return Decision(self._expert.act(self._simulation.model, self._simulation.data))


class NoiseInjection:
    """Disturbs executed actions while the clean ones are recorded (DART, Laskey et al. 2017, arXiv 1703.09327).

    Args:
        scale: 0 is no noise, 1 is the strength that was measured to teach best.
    """

    def __init__(self, scale: float) -> None:
        self._deviation = scale * np.array([_LINEAR_NOISE] * 3 + [_ANGULAR_NOISE] * 3)
        self._burst_deviation = scale * np.array([_LINEAR_BURST] * 3 + [_ANGULAR_BURST] * 3)
        self._burst_chance, self._slip_chance = scale * _BURST_CHANCE, scale * _SLIP_CHANCE
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start the noise of the episode with this seed."""
        self._random = random_of(seed, Stream.NOISE)
        self._noise = np.zeros(6)
        self._burst = np.zeros(6)
        self._burst_ticks = self._slip_ticks = 0

    def __call__(self, action: Action) -> Action:
        self._noise = _PERSISTENCE * self._noise + self._random.normal(0.0, 1.0, 6) * self._deviation
        if self._burst_ticks > 0:
            self._burst_ticks -= 1
        elif self._random.random() < self._burst_chance:
            self._burst = self._random.normal(0.0, 1.0, 6) * self._burst_deviation
            self._burst_ticks = int(self._random.integers(*_BURST_TICKS))
        burst = self._burst if self._burst_ticks > 0 else 0.0
        slips = self._random.random() < self._slip_chance
        self._slip_ticks = _SLIP_TICKS if slips else max(self._slip_ticks - 1, 0)
        gripper = 0.0 if self._slip_ticks else action.gripper
        return Action((action.twist + self._noise + burst).astype(np.float32), gripper)
