"""Small synthetic episodes whose every number is different."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.episode import Action, Episode, EpisodeInfo, Source
from vinn_core.episodes.recorder import Recorder

SIZE = 32
CONFIG = WorkspaceConfig(image_size=SIZE)


def sample_info(seed: int = 0, **changes: Any) -> EpisodeInfo:
    """Facts about an episode; `changes` are fields of EpisodeInfo."""
    info = EpisodeInfo(
        task="lift",
        look="none",
        seed=seed,
        control_hz=10.0,
        source=Source.TELEOP,
        success=True,
        operator="Zoë",
        created="2026-03-01T10:00:00+00:00",
        model_xml="<mujoco>\n  <worldbody/>\n</mujoco>",
    )
    return replace(info, **changes)


def sample_episode(seed: int = 0, length: int = 6, size: int = SIZE, **changes: Any) -> Episode:
    """(size, size) pictures of noise from two cameras; `changes` are fields of EpisodeInfo."""
    random = np.random.default_rng(seed)
    times = np.arange(length) / 10.0
    return Episode(
        info=sample_info(seed, **changes),
        images={name: random.integers(0, 256, (length, size, size, 3), dtype=np.uint8) for name in ("wrist", "front")},
        ee_positions=random.standard_normal((length, 3)),
        ee_quaternions=random.standard_normal((length, 4)),
        gripper_openings=random.random(length),
        times=times,
        actions=random.standard_normal((length, 7)).astype(np.float32),
        executed_actions=random.standard_normal((length, 7)).astype(np.float32),
        states=np.column_stack([times, random.standard_normal((length, 9))]),
    )


def record_step(recorder: Recorder, episode: Episode, step: int) -> None:
    """Have `recorder` record what happens in that step of `episode`."""
    recorder.append(
        episode.observation(step),
        Action.from_array(episode.actions[step]),
        Action.from_array(episode.executed_actions[step]),
        state=episode.states[step],
    )


def record(recorder: Recorder, episode: Episode) -> None:
    """Have `recorder` record all of `episode`."""
    for step in range(len(episode)):
        record_step(recorder, episode, step)


def same_steps(found: Episode, expected: Episode, steps: int | None = None) -> bool:
    """Whether the first `steps` steps (default: all) are equal bit for bit, types included; facts are left out."""
    steps = len(expected) if steps is None else steps
    names = ("ee_positions", "ee_quaternions", "gripper_openings", "times", "actions", "executed_actions", "states")
    pairs = [(getattr(found, name), getattr(expected, name)[:steps]) for name in names]
    pairs += [(found.images[name], expected.images[name][:steps]) for name in expected.images]
    return found.images.keys() == expected.images.keys() and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs
    )
