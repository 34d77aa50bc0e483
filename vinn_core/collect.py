"""Demonstrations by the scripted expert, written into a workspace."""

from __future__ import annotations

from itertools import count
from time import monotonic
from typing import Any

from vinn_core.config import WorkspaceConfig
from vinn_core.dataset import Dataset, save_episode
from vinn_core.episode import EpisodeBuffer, Source
from vinn_core.errors import ConfigError
from vinn_core.expert import ExpertPolicy, NoiseInjection
from vinn_core.messages import SetPolicy
from vinn_core.progress import Message, Report, StageProgress, StopRequest
from vinn_core.rollout import Rollout, RolloutRunner, map_in_processes, usable_cores
from vinn_core.session import Session
from vinn_core.task import load_task
from vinn_core.workspace import Workspace

_MOST_FAILURES = 50


class _Demonstrator:
    """A session with the expert at the wheel; one per worker process."""

    def __init__(self, config: WorkspaceConfig, look: str, noise: float) -> None:
        self._runner = RolloutRunner()
        self._noise = NoiseInjection(noise)
        self._session = Session(
            load_task(config.task),
            look=look,
            cameras=config.cameras,
            image_size=config.image_size,
            control_hz=config.control_hz,
            on_event=self._runner.notice,
            make_recorder=EpisodeBuffer,
            disturbance=self._noise if noise > 0 else None,
        )
        self._session.handle(SetPolicy(ExpertPolicy(self._session.simulation), Source.EXPERT))

    def demonstrate(self, seed: int) -> Rollout:
        self._noise.reset(seed)
        return self._runner.run(self._session, seed, record=True)


_demonstrator: _Demonstrator | None = None


def _start_worker(config: WorkspaceConfig, look: str, noise: float) -> None:
    global _demonstrator
    _demonstrator = _Demonstrator(config, look, noise)


def _demonstrate(seed: int) -> Rollout:
    assert _demonstrator is not None
    return _demonstrator.demonstrate(seed)


def collect(
    workspace: Workspace,
    episodes: int,
    seed: int,
    noise: float,
    look: str | None,
    report: Report,
    stop: StopRequest,
    processes: int | None = None,
) -> dict[str, Any]:
    """Record `episodes` successful expert demonstrations from consecutive seeds.

    Args:
        seed: of the first demonstration; failed ones (rare) are left out and the next seed is used.
        noise: scale of the noise in the executed actions, 0 for none; see `NoiseInjection`.
        look: one of `vinn_core.config.LOOKS`; None takes the workspace's.
        processes: worker processes; None is one per core.

    Returns:
        {"episodes": numbers written, "seeds": their seeds, "frames": frames in all, "failed_seeds": seeds left out}.

    Raises:
        ConfigError: fewer than one episode is asked for, or the expert keeps failing.
        DatasetError, WorkspaceError: an episode cannot be written.
    """
    if episodes < 1:
        raise ConfigError(f"episodes = {episodes}; ask for at least 1.")
    config = workspace.config
    look = look or config.look
    numbers: list[int] = []
    seeds: list[int] = []
    failed: list[int] = []
    frames = 0
    started = monotonic()
    report(StageProgress("Collecting demonstrations", 0, episodes, "episode"))
    workers = min(processes or usable_cores(), episodes)
    for rollout in map_in_processes(_demonstrate, count(seed), workers, _start_worker, (config, look, noise)):
        if rollout.success and rollout.episode is not None:
            numbers.append(save_episode(workspace.episodes_folder, rollout.episode))
            seeds.append(rollout.seed)
            frames += len(rollout.episode)
        else:
            failed.append(rollout.seed)
            report(Message(f"The expert did not solve seed {rollout.seed}; it is left out.", "warning"))
            if len(failed) >= _MOST_FAILURES:
                raise ConfigError(
                    f"the expert failed {len(failed)} times with noise {noise}; use less noise, such as 1."
                )
        done = len(numbers)
        left = (monotonic() - started) / done * (episodes - done) if done else None
        report(StageProgress("Collecting demonstrations", done, episodes, "episode", left))
        if done >= episodes or stop:
            break
    Dataset(workspace).rewrite_master()
    return {"episodes": numbers, "seeds": seeds, "frames": frames, "failed_seeds": failed, "stopped": bool(stop)}
