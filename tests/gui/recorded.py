"""A small recorded workspace whose pictures tell where they are from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import IndexConfig, WorkspaceConfig
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import Action, Episode, EpisodeInfo, Observation, Source
from vinn_core.retrieval.store import FORMAT_VERSION
from vinn_core.session.messages import Mode, ReplayStatus, Snapshot, TickTimings
from vinn_core.session.policy import Decision
from vinn_core.workspace import Workspace

SIZE = 32
LENGTH = 12


def colour(number: int, step: int) -> tuple[int, int, int]:
    """Of every pixel of that frame of the wrist camera."""
    return 40 * number, 10 * step, 200


def frame(number: int, step: int) -> NDArray[np.uint8]:
    """(SIZE, SIZE, 3) in `colour`."""
    return np.full((SIZE, SIZE, 3), colour(number, step), np.uint8)


def episode(
    number: int, success: bool | None = True, source: Source = Source.EXPERT, *, length: int = LENGTH
) -> Episode:
    """Seed `number`; the wrist camera sees `frame`."""
    info = EpisodeInfo("lift", "none", number, 10.0, source, success, "", "2026-03-01T10:00:00+00:00", "<mujoco/>")
    actions = np.zeros((length, 7), np.float32)
    actions[:, 0] = 0.05
    actions[:, 6] = 1.0
    wrist = np.stack([frame(number, step) for step in range(length)])
    times = np.arange(length) / 10.0
    return Episode(
        info=info,
        images={"wrist": wrist, "front": wrist[:, :, :, ::-1].copy()},
        ee_positions=np.zeros((length, 3)),
        ee_quaternions=np.tile([1.0, 0.0, 0.0, 0.0], (length, 1)),
        gripper_openings=np.ones(length),
        times=times,
        actions=actions,
        executed_actions=actions,
        states=np.column_stack([times, np.zeros((length, 4))]),
    )


def make_workspace(folder: Path, episodes: Sequence[Episode] = ()) -> Workspace:
    """An open workspace with these episodes, numbered from 1."""
    workspace = Workspace.open(folder, WorkspaceConfig(image_size=SIZE))
    for recorded in episodes:
        save_episode(workspace.episodes_folder, recorded)
    return workspace


def write_index(
    workspace: Workspace, name: str = "default", episodes: Mapping[int, str] | None = None, *, recall: float = 1.0
) -> None:
    """What is known of an index of these episodes (fingerprint by number; all by default) without loading it."""
    if episodes is None:
        episodes = {summary.number: summary.fingerprint for summary in Dataset(workspace).summaries()}
    folder = workspace.indexes_folder / name
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "format_version": FORMAT_VERSION,
        "rows": LENGTH * len(episodes),
        "encoder": "default",
        "encoder_fingerprint": "e",
        "dataset_fingerprint": "d",
        "episodes": dict(episodes),
        "config": IndexConfig().to_dict(),
        "search_k": 1000,
        "recall": recall,
        "created": "2026-03-01T10:00:00+00:00",
        "sha256": {},
    }
    (folder / "index.json").write_text(json.dumps(facts))


def snapshot(
    mode: Mode = Mode.IDLE,
    decision: Decision | None = None,
    replay: ReplayStatus | None = None,
    *,
    seed: int = 0,
    succeeded: bool = False,
) -> Snapshot:
    """What a session tells after a tick."""
    black = np.zeros((SIZE, SIZE, 3), np.uint8)
    seen = Observation({"wrist": black, "front": black}, np.zeros(3), np.array([1.0, 0, 0, 0]), 1.0, 0.0)
    return Snapshot(
        tick=1,
        mode=mode,
        look="none",
        seed=seed,
        kept_clear=(),
        elapsed_s=0.1,
        state=np.zeros(5),
        previous_state=np.zeros(5),
        observation=seen,
        decided_on=seen,
        action=decision.action if decision else Action.hold(1.0),
        decision=decision,
        recorded_frames=None,
        succeeded=succeeded,
        replay=replay,
        timings=TickTimings(render_ms=20.0, encode_ms=12.0, search_ms=0.3, act_ms=13.0, physics_ms=2.0, total_ms=35.0),
    )
