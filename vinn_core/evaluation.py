"""Rollouts over many seeds: success rate with a confidence interval, and a fingerprint of all trajectories."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from vinn_core.config import IndexConfig, PolicyConfig, WorkspaceConfig
from vinn_core.encoder_store import read_stored_encoder
from vinn_core.episode import Action, Observation
from vinn_core.errors import ConfigError, EmbeddingIndexError
from vinn_core.expert import ExpertPolicy
from vinn_core.index_files import finish_replacing
from vinn_core.messages import SetPolicy
from vinn_core.policy import Decision, Policy
from vinn_core.progress import Report, StageProgress, StopRequest
from vinn_core.rollout import Rollout, RolloutRunner, map_in_processes, usable_cores
from vinn_core.session import Session
from vinn_core.simulation import Simulation
from vinn_core.task import load_task
from vinn_core.workspace import Workspace

POLICIES = ("vinn", "expert", "random")


@dataclass(frozen=True)
class EvaluationSpec:
    """What is rolled out.

    Attributes:
        policy: one of POLICIES. index: name of the index, for vinn. look: one of `vinn_core.config.LOOKS`.
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
        self._random = np.random.default_rng([self._simulation.seed, 3])

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
        config: WorkspaceConfig = workspace.config
        self._runner = RolloutRunner()
        policy: Policy | None = None
        if spec.policy == "vinn":
            from vinn_core.index import load_policy  # reaches torch

            policy = load_policy(workspace, spec.index, spec.retrieval)
        self.session = Session(
            load_task(config.task),
            look=spec.look,
            cameras=policy.cameras if policy else (),
            image_size=config.image_size,
            control_hz=config.control_hz,
            on_event=self._runner.notice,
        )
        if policy is None:
            kind = ExpertPolicy if spec.policy == "expert" else RandomPolicy
            policy = kind(self.session.simulation)
        self.session.handle(SetPolicy(policy))

    def rollout(self, seed: int) -> Rollout:
        """One rollout from `seed`."""
        return self._runner.run(self.session, seed)


def index_origin(workspace: Workspace, name: str) -> dict[str, Any]:
    """What an index was made of, read without loading it.

    Returns:
        {"name", "encoder", "encoder_fingerprint", "dataset_fingerprint", "created", "sha256": of its files,
        "config": see `IndexConfig`, "cameras": that its encoder sees by, "episodes": fingerprint by number}.

    Raises:
        EmbeddingIndexError, EncoderError: the index or its encoder is missing or damaged.
    """
    folder = workspace.indexes_folder / name
    finish_replacing(folder)
    if not (folder / "index.json").is_file():
        raise EmbeddingIndexError(f"There is no index '{name}' yet: build the index first.")
    try:
        facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        kept = ("encoder", "encoder_fingerprint", "dataset_fingerprint", "created", "sha256", "config", "episodes")
        origin = {"name": name, **{key: facts[key] for key in kept}}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EmbeddingIndexError(f"The index '{name}' is damaged ({error}): rebuild the index.") from error
    encoder = read_stored_encoder(workspace.encoders_folder / origin["encoder"])
    return {**origin, "cameras": list(encoder.train.cameras)}


_evaluator: Evaluator | None = None


def _start_worker(path: str, spec: EvaluationSpec) -> None:
    global _evaluator
    _evaluator = Evaluator(Workspace.open(Path(path)), spec)
    if spec.policy == "vinn":
        from vinn_core.torch_setup import use_one_thread

        use_one_thread()


def _rollout(seed: int) -> Rollout:
    assert _evaluator is not None
    return _evaluator.rollout(seed)


def evaluate(
    workspace: Workspace,
    spec: EvaluationSpec,
    episodes: int,
    seed: int,
    report: Report,
    stop: StopRequest,
    processes: int | None = None,
    keep: Callable[[Rollout], object] = lambda rollout: None,
    stage: str = "Rolling out",
) -> dict[str, Any]:
    """Roll out `episodes` consecutive seeds from `seed`.

    The result does not depend on `processes`, and is the same as in the window.

    Args:
        keep: receives each rollout, in seed order. stage: name in the progress reports.

    Returns:
        {"policy", "label": see `EvaluationSpec`, "index": see `index_origin`, None for other policies than VINN,
        "retrieval": see `PolicyConfig`, likewise, "task", "look", "control_hz", "success_rate",
        "interval": [low, high] (95 % Wilson), "episodes", "seeds", "outcomes": seed order, "ticks": length of each,
        "seconds_to_success": mean over the successes [s] or None, "trajectory_sha256": over all state trajectories in
        seed order, "created": ISO 8601, UTC, "wall_s"}.

    Raises:
        ConfigError: unknown policy or no episodes asked for. VinnError: the policy cannot be loaded.
    """
    if episodes < 1:
        raise ConfigError(f"episodes = {episodes}; ask for at least 1.")
    index, retrieval = None, None
    if spec.policy == "vinn":
        index = index_origin(workspace, spec.index)
        retrieval = spec.retrieval or IndexConfig.from_dict(index["config"]).policy()
    seeds, outcomes, ticks = [], [], []
    digest = hashlib.sha256()
    started = monotonic()
    report(StageProgress(stage, 0, episodes, "rollout"))
    workers = min(processes or usable_cores(), episodes)
    wanted = range(seed, seed + episodes)
    for rollout in map_in_processes(_rollout, wanted, workers, _start_worker, (str(workspace.path), spec)):
        seeds.append(rollout.seed)
        outcomes.append(str(rollout.end))
        ticks.append(len(rollout))
        digest.update(np.ascontiguousarray(rollout.states).tobytes())
        keep(rollout)
        done = len(seeds)
        left = (monotonic() - started) / done * (episodes - done)
        report(StageProgress(stage, done, episodes, "rollout", left))
        if stop:
            break
    solved_in = [length for length, end in zip(ticks, outcomes, strict=True) if end == "success"]
    config = workspace.config
    return {
        "policy": spec.policy,
        "label": spec.label,
        "index": index,
        "retrieval": retrieval.to_dict() if retrieval else None,
        "task": config.task,
        "look": spec.look,
        "control_hz": config.control_hz,
        "success_rate": len(solved_in) / len(seeds),
        "interval": list(wilson_interval(len(solved_in), len(seeds))),
        "episodes": len(seeds),
        "seeds": seeds,
        "outcomes": outcomes,
        "ticks": ticks,
        "seconds_to_success": sum(solved_in) / len(solved_in) / config.control_hz if solved_in else None,
        "trajectory_sha256": digest.hexdigest(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "wall_s": monotonic() - started,
    }
