"""Demonstrations by the scripted expert, written into a workspace."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from time import monotonic

from vinn_core.config import CollectJob, JsonRecord, WorkspaceConfig
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import EpisodeBuffer, Source
from vinn_core.errors import ConfigError
from vinn_core.processes import map_in_processes, usable_cores
from vinn_core.progress import Message, Report, StageProgress, StopRequest
from vinn_core.rollouts.expert import ExpertPolicy, NoiseInjection
from vinn_core.rollouts.rollout import Rollout, RolloutRunner
from vinn_core.session.loop import Session
from vinn_core.session.messages import SetPolicy
from vinn_core.workspace import Workspace

_MOST_FAILURES = 50
_STAGE = "Collecting demonstrations"


@dataclass(frozen=True)
class CollectResult(JsonRecord):
    """What was collected.

    Attributes:
        episodes: numbers written.
        seeds: of these, in the same order.
        frames: in all.
        failed_seeds: that the expert did not solve, and were left out.
        stopped: whether it ended early on request.
    """

    episodes: tuple[int, ...]
    seeds: tuple[int, ...]
    frames: int
    failed_seeds: tuple[int, ...]
    stopped: bool


class _Demonstrator:
    """A session with the expert at the wheel; one per worker process."""

    def __init__(self, config: WorkspaceConfig, look: str, noise: float) -> None:
        self._runner = RolloutRunner()
        self._noise = NoiseInjection(noise)
        self._session = Session.of(
            config,
            look=look,
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
    workspace: Workspace, job: CollectJob, *, report: Report, stop: StopRequest, processes: int | None = None
) -> CollectResult:
    """Record successful expert demonstrations from consecutive seeds, with noise in the executed actions.

    Failed ones (rare) are left out and the next seed is used; for the noise see `NoiseInjection`.

    Args:
        processes: worker processes; None is one per core.

    Raises:
        ConfigError: the expert keeps failing.
        DatasetError, WorkspaceError: an episode cannot be written.
    """
    config = workspace.config
    numbers: list[int] = []
    seeds: list[int] = []
    failed: list[int] = []
    frames = 0
    started = monotonic()
    report(StageProgress(_STAGE, 0, job.episodes, "episode"))
    workers = min(processes or usable_cores(), job.episodes)
    initargs = (config, job.look or config.look, job.noise)
    for rollout in map_in_processes(
        _demonstrate, count(job.seed), workers, initializer=_start_worker, initargs=initargs
    ):
        if rollout.success and rollout.episode is not None:
            numbers.append(save_episode(workspace.episodes_folder, rollout.episode))
            seeds.append(rollout.seed)
            frames += len(rollout.episode)
        else:
            failed.append(rollout.seed)
            report(Message(f"The expert did not solve seed {rollout.seed}; it is left out.", "warning"))
            if len(failed) >= _MOST_FAILURES:
                raise ConfigError(
                    f"the expert failed {len(failed)} times with noise {job.noise}; use less noise, such as 1."
                )
        done = len(numbers)
        left = (monotonic() - started) / done * (job.episodes - done) if done else None
        report(StageProgress(_STAGE, done, job.episodes, "episode", left))
        if done >= job.episodes or stop:
            break
    Dataset(workspace).rewrite_master()
    return CollectResult(tuple(numbers), tuple(seeds), frames, tuple(failed), bool(stop))
