"""Evaluations on disk: whole or not at all, and every rollout can be watched again with its neighbours."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demonstrations import Demonstrator

from vinn_core.config import PolicyConfig
from vinn_core.errors import DatasetError, WorkspaceError
from vinn_core.retrieval.store import IndexOrigin
from vinn_core.rollouts import store as evaluation_store
from vinn_core.rollouts.evaluation import EvaluationResult
from vinn_core.rollouts.rollout import Rollout
from vinn_core.rollouts.store import (
    delete_evaluations,
    list_evaluations,
    load_rollout,
    restore_evaluations,
    save_evaluation,
)
from vinn_core.session.loop import Session
from vinn_core.session.messages import ReplayFinished, RunEnd, StartReplay
from vinn_core.session.policy import Neighbour
from vinn_core.world.tasks import load_task


@pytest.fixture(scope="module")
def driven() -> Rollout:
    """A rollout of the expert, as if it had followed one frame in even ticks and two in odd ones."""
    with Demonstrator() as demonstrator:
        rollout = demonstrator.demonstrate(3)
    neighbours = [
        tuple(Neighbour(episode, tick, 0.1 + tick / 3, 1 / (1 + tick % 2)) for episode in range(1, 2 + tick % 2))
        for tick in range(len(rollout))
    ]
    return replace(rollout, neighbours=tuple(neighbours), episode=None)


def result_of(rollouts: Sequence[Rollout], **changes: Any) -> EvaluationResult:
    result = EvaluationResult(
        policy="vinn",
        label="mine",
        index=IndexOrigin(cameras=("wrist",), episodes={1: "one", 2: "two"}),
        retrieval=PolicyConfig(),
        task="lift",
        look=rollouts[0].info.look,
        control_hz=10.0,
        success_rate=1.0,
        interval=(0.2, 1.0),
        episodes=len(rollouts),
        seeds=tuple(rollout.seed for rollout in rollouts),
        outcomes=tuple(rollout.end for rollout in rollouts),
        ticks=tuple(len(rollout) for rollout in rollouts),
        seconds_to_success=4.5,
        trajectory_sha256="",
        created="2026-03-01T10:00:00+00:00",
        wall_s=1.0,
    )
    return replace(result, **changes)


def save(folder: Path, name: str, *rollouts: Rollout, **changes: Any) -> None:
    save_evaluation(folder, name, result_of(rollouts, **changes), rollouts=rollouts)


def test_what_is_stored_comes_back(tmp_path: Path, driven: Rollout) -> None:
    save(tmp_path, "first", driven)
    [stored] = list_evaluations(tmp_path)
    assert (stored.name, stored.result) == ("first", result_of([driven]))
    assert (stored.result.label, stored.result.look) == ("mine", "none")
    assert stored.result.success_by_seed == {3: True}
    assert (stored.cameras, stored.episodes) == (("wrist",), {1: "one", 2: "two"})
    loaded = load_rollout(tmp_path, stored, 3)
    assert (loaded.seed, loaded.end, loaded.info.task) == (3, RunEnd.SUCCESS, "lift")
    np.testing.assert_array_equal(loaded.states, driven.states)
    np.testing.assert_array_equal(loaded.executed_actions, driven.executed_actions)
    assert (loaded.states.dtype, loaded.executed_actions.dtype) == (np.float64, np.float32)
    assert loaded.neighbours == driven.neighbours
    assert (tmp_path / "first" / "rollouts" / "seed-3.npz").stat().st_size < 100_000


def test_a_stored_rollout_is_watched_to_its_last_state_with_its_neighbours(tmp_path: Path, driven: Rollout) -> None:
    save(tmp_path, "first", driven)
    loaded = load_rollout(tmp_path, list_evaluations(tmp_path)[0], 3)
    events: list[object] = []
    with Session(load_task("lift"), cameras=(), image_size=32, on_event=events.append) as session:
        session.handle(StartReplay(loaded, None, neighbours=loaded.neighbours))
        np.testing.assert_array_equal(session.simulation.state(), driven.states[0])
        snapshots = [session.tick() for _ in range(len(loaded))]
    np.testing.assert_array_equal(np.stack([snapshot.state for snapshot in snapshots]), driven.states[1:])
    assert tuple(snapshot.decision and snapshot.decision.neighbours for snapshot in snapshots) == driven.neighbours
    assert events[-1] == ReplayFinished(None, True)
    assert snapshots[0].replay is not None
    assert (snapshots[0].replay.number, snapshots[0].replay.length) == (None, len(driven))


def test_a_policy_without_neighbours_is_stored_as_well(tmp_path: Path, driven: Rollout) -> None:
    save(tmp_path, "expert", replace(driven, neighbours=((),) * len(driven)), label="expert", index=None)
    [stored] = list_evaluations(tmp_path)
    assert (stored.result.label, stored.cameras, stored.episodes) == ("expert", (), {})
    assert load_rollout(tmp_path, stored, 3).neighbours == ((),) * len(driven)


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, driven: Rollout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, rollout: Rollout) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(evaluation_store, "write_rollout", refuse)
    with pytest.raises(WorkspaceError, match="disk is full while saving the evaluation 'first'"):
        save(tmp_path, "first", driven)
    assert list(tmp_path.iterdir()) == []


def test_a_taken_name_is_refused_and_the_old_one_kept(tmp_path: Path, driven: Rollout) -> None:
    save(tmp_path, "first", driven)
    with pytest.raises(WorkspaceError, match="an evaluation 'first' already; choose another name, or delete"):
        save(tmp_path, "first", driven, label="other")
    assert [stored.result.label for stored in list_evaluations(tmp_path)] == ["mine"]


def test_the_newest_comes_first_and_damaged_ones_are_left_out(tmp_path: Path, driven: Rollout) -> None:
    save(tmp_path, "old", driven)
    save(tmp_path, "new", driven, created="2026-03-02T10:00:00+00:00")
    save(tmp_path, "broken", driven)
    (tmp_path / "broken" / "results.json").write_text('{"label": ')
    assert [stored.name for stored in list_evaluations(tmp_path)] == ["new", "old"]


@pytest.mark.parametrize("damage", ["missing", "cut off", "not its own"])
def test_a_damaged_rollout_is_told_with_a_way_out(tmp_path: Path, driven: Rollout, damage: str) -> None:
    save(tmp_path, "first", driven)
    file = tmp_path / "first" / "rollouts" / "seed-3.npz"
    if damage == "missing":
        file.unlink()
    elif damage == "cut off":
        file.write_bytes(file.read_bytes()[:500])
    else:
        np.savez(file, states=driven.states)
    with pytest.raises(DatasetError, match="seed-3 of the evaluation 'first' cannot be read .* run the evaluation"):
        load_rollout(tmp_path, list_evaluations(tmp_path)[0], 3)


def test_a_deleted_evaluation_can_be_brought_back_unless_its_name_is_taken(tmp_path: Path, driven: Rollout) -> None:
    save(tmp_path, "first", driven)
    delete_evaluations(tmp_path, ["first"])
    assert list_evaluations(tmp_path) == []
    restore_evaluations(tmp_path, ["first"])
    [stored] = list_evaluations(tmp_path)
    assert load_rollout(tmp_path, stored, 3).success
    delete_evaluations(tmp_path, ["first"])
    save(tmp_path, "first", driven, label="again")
    with pytest.raises(WorkspaceError, match="an evaluation 'first' already"):
        restore_evaluations(tmp_path, ["first"])
    assert [each.result.label for each in list_evaluations(tmp_path)] == ["again"]
