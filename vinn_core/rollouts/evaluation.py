"""Rollouts over many seeds: success rate with a confidence interval, and a fingerprint of all trajectories."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from time import monotonic

import numpy as np

from vinn_core.config import POLICIES, JsonRecord, PolicyConfig
from vinn_core.episodes.episode import Action, Observation
from vinn_core.errors import ConfigError
from vinn_core.processes import map_in_processes, usable_cores
from vinn_core.progress import Report, StageProgress, StopRequest
from vinn_core.retrieval.store import IndexOrigin, index_origin
from vinn_core.rollouts.expert import ExpertPolicy
from vinn_core.rollouts.rollout import Rollout, RolloutRunner
from vinn_core.session.loop import Session
from vinn_core.session.messages import RunEnd, SetPolicy
from vinn_core.session.policy import Decision, Policy
from vinn_core.workspace import Workspace
from vinn_core.world.random_streams import Stream, random_of
from vinn_core.world.simulation import Simulation


@dataclass(frozen=True)
class EvaluationSpec:
    """What is rolled out.

    Attributes:
        policy: one of POLICIES.
        index: name of the index, for vinn.
        look: one of `vinn_core.config.LOOKS`.
        retrieval: how VINN decides; None takes the index's own.
        setting: the one of `vinn_core.config.POLICY_SETTINGS` that `retrieval` was made from, for `label`.
    """

    policy: str = "vinn"
    index: str = "default"
    look: str = "none"
    retrieval: PolicyConfig | None = None
    setting: str = "default"

    @property
    def label(self) -> str:
        """In a word: INDEX or INDEX:SETTING of VINN, or the other policy's name."""
        if self.policy != "vinn":
            return self.policy
        return self.index if self.setting == "default" else f"{self.index}:{self.setting}"


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(JsonRecord):
    """What came of an evaluation; results.json of a stored one. What other programs may have left out has a default.

    Attributes:
        policy: one of POLICIES.
        label: see `EvaluationSpec`.
        index: what VINN's index was made of; None for other policies.
        retrieval: how VINN decided; None for other policies.
        task: of the workspace.
        look: of the rollouts.
        control_hz: control rate [1/s].
        success_rate: share of the rollouts, in [0, 1].
        interval: 95 % interval of it (Wilson).
        episodes: number of rollouts.
        seeds: of each rollout.
        outcomes: in the order of `seeds`.
        ticks: length of each, in the order of `seeds`.
        seconds_to_success: mean over the successes [s], None without any.
        trajectory_sha256: over all state trajectories in the order of `seeds`.
        created: ISO 8601, UTC.
        wall_s: how long it took [s].
    """

    policy: str = "vinn"
    label: str
    index: IndexOrigin | None
    retrieval: PolicyConfig | None = None
    task: str
    look: str
    control_hz: float
    success_rate: float
    interval: tuple[float, float]
    episodes: int = 0
    seeds: tuple[int, ...]
    outcomes: tuple[RunEnd, ...]
    ticks: tuple[int, ...]
    seconds_to_success: float | None
    trajectory_sha256: str = ""
    created: str
    wall_s: float = 0.0

    @property
    def success_by_seed(self) -> dict[int, bool]:
        """Seed -> whether its rollout succeeded."""
        return {seed: end is RunEnd.SUCCESS for seed, end in zip(self.seeds, self.outcomes, strict=True)}

    def in_words(self) -> str:
        """The success rate with its interval, on one line."""
        low, high = self.interval
        return f"success rate {self.success_rate:.3f} [{low:.3f}, {high:.3f}] over {self.episodes} rollouts"


def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a success rate (Wilson 1927); (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


class RandomPolicy:
    """Moves at random: the floor that any policy must beat."""

    cameras: tuple[str, ...] = ()

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def reset(self) -> None:
        self._random = random_of(self._simulation.seed, Stream.RANDOM_POLICY)

    def act(self, observation: Observation) -> Decision:
        twist = self._random.normal(0.0, 1.0, 6) * ([0.1] * 3 + [0.5] * 3)
        return Decision(Action(twist.astype(np.float32), float(self._random.random() < 0.5)))


class Evaluator:
    """A headless session with the policy of an `EvaluationSpec`; one per worker process.

    Raises:
        ConfigError: unknown policy. EncoderError, EmbeddingIndexError: the policy cannot be loaded.
    """

    def __init__(self, workspace: Workspace, spec: EvaluationSpec) -> None:
        if spec.policy not in POLICIES:
            raise ConfigError(f"policy = {spec.policy!r} is unknown; choose one of: {', '.join(POLICIES)}.")
        self._runner = RolloutRunner()
        policy: Policy | None = None
        if spec.policy == "vinn":
            from vinn_core.retrieval.vinn import load_policy  # reaches torch

            policy = load_policy(workspace, spec.index, spec.retrieval)
        self.session = Session.of(
            workspace.config,
            look=spec.look,
            cameras=policy.cameras if policy else (),
            on_event=self._runner.notice,
        )
        if policy is None:
            kind = ExpertPolicy if spec.policy == "expert" else RandomPolicy
            policy = kind(self.session.simulation)
        self.session.handle(SetPolicy(policy))

    def rollout(self, seed: int) -> Rollout:
        """One rollout from `seed`."""
        return self._runner.run(self.session, seed)


_evaluator: Evaluator | None = None


def _start_worker(path: str, spec: EvaluationSpec) -> None:
    global _evaluator
    _evaluator = Evaluator(Workspace.open(Path(path)), spec)
    if spec.policy == "vinn":
        from vinn_core.encoder.torch_setup import use_one_thread

        use_one_thread()


def _rollout(seed: int) -> Rollout:
    assert _evaluator is not None
    return _evaluator.rollout(seed)


def evaluate(
    workspace: Workspace,
    spec: EvaluationSpec,
    *,
    episodes: int,
    seed: int,
    report: Report,
    stop: StopRequest,
    processes: int | None = None,
    keep: Callable[[Rollout], object] = lambda rollout: None,
    stage: str = "Rolling out",
) -> EvaluationResult:
    """Roll out `episodes` consecutive seeds from `seed`.

    The result does not depend on `processes`, and is the same as in the window.

    Args:
        processes: worker processes; None is one per core.
        keep: receives each rollout, in seed order.
        stage: name in the progress reports.

    Raises:
        ConfigError: unknown policy or no episodes asked for. VinnError: the policy cannot be loaded.
    """
    if episodes < 1:
        raise ConfigError(f"episodes = {episodes}; ask for at least 1.")
    index, retrieval = None, None
    if spec.policy == "vinn":
        index = index_origin(workspace, spec.index)
        retrieval = spec.retrieval or index.config.policy()
    seeds: list[int] = []
    outcomes: list[RunEnd] = []
    ticks: list[int] = []
    digest = hashlib.sha256()
    started = monotonic()
    report(StageProgress(stage, 0, episodes, "rollout"))
    workers = min(processes or usable_cores(), episodes)
    wanted = range(seed, seed + episodes)
    initargs = (str(workspace.path), spec)
    for rollout in map_in_processes(_rollout, wanted, workers, initializer=_start_worker, initargs=initargs):
        seeds.append(rollout.seed)
        outcomes.append(rollout.end)
        ticks.append(len(rollout))
        digest.update(np.ascontiguousarray(rollout.states).tobytes())
        keep(rollout)
        done = len(seeds)
        left = (monotonic() - started) / done * (episodes - done)
        report(StageProgress(stage, done, episodes, "rollout", left))
        if stop:
            break
    solved_in = [length for length, end in zip(ticks, outcomes, strict=True) if end is RunEnd.SUCCESS]
    config = workspace.config
    return EvaluationResult(
        policy=spec.policy,
        label=spec.label,
        index=index,
        retrieval=retrieval,
        task=config.task,
        look=spec.look,
        control_hz=config.control_hz,
        success_rate=len(solved_in) / len(seeds),
        interval=wilson_interval(len(solved_in), len(seeds)),
        episodes=len(seeds),
        seeds=tuple(seeds),
        outcomes=tuple(outcomes),
        ticks=tuple(ticks),
        seconds_to_success=sum(solved_in) / len(solved_in) / config.control_hz if solved_in else None,
        trajectory_sha256=digest.hexdigest(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        wall_s=monotonic() - started,
    )
