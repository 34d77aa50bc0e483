"""Expert demonstrations in memory, made by the program's own control loop."""

from __future__ import annotations

from collections.abc import Sequence

from vinn_core.episodes.episode import EpisodeBuffer, Source
from vinn_core.rollouts.expert import ExpertPolicy, NoiseInjection
from vinn_core.rollouts.rollout import Rollout, RolloutRunner
from vinn_core.session.loop import Session
from vinn_core.session.messages import SetPolicy
from vinn_core.world.tasks import load_task


class Demonstrator:
    """A session with the expert at the wheel. A context manager."""

    def __init__(self, look: str = "none", noise: float = 0.0, cameras: Sequence[str] = (), size: int = 32) -> None:
        self._runner = RolloutRunner()
        self._noise = NoiseInjection(noise)
        self.session = Session(
            load_task("lift"),
            look=look,
            cameras=cameras,
            image_size=size,
            on_event=self._runner.notice,
            make_recorder=EpisodeBuffer,
            disturbance=self._noise if noise else None,
        )
        self.session.handle(SetPolicy(ExpertPolicy(self.session.simulation), Source.EXPERT))

    def demonstrate(self, seed: int) -> Rollout:
        self._noise.reset(seed)
        return self._runner.run(self.session, seed, record=True)

    def __enter__(self) -> Demonstrator:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()
