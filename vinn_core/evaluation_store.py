"""Evaluations kept in the workspace: the results as JSON, and every rollout so that it can be watched again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vinn_core.episode import EpisodeInfo, Source
from vinn_core.errors import WorkspaceError
from vinn_core.files import disk_errors, remove_leftovers, write_new_folder
from vinn_core.messages import RunEnd
from vinn_core.rollout import Rollout
from vinn_core.rollout_file import read_rollout, write_rollout

FORMAT_VERSION = 1
RESULTS_FILE = "results.json"
_TRASH = ".trash"


@dataclass(frozen=True)
class StoredEvaluation:
    """What is known of a stored evaluation without its rollouts; see `vinn_core.evaluation.evaluate`.

    Attributes:
        name: of its folder. policy: what was rolled out, in a word. created: ISO 8601, UTC.
        seeds, outcomes, ticks: of each rollout.
        seconds_to_success: mean time of the rollouts that succeeded [s], None without any.
        cameras: that the policy saw by. episodes: fingerprint by number of the episodes its neighbours are from.
    """

    name: str
    policy: str
    task: str
    look: str
    control_hz: float
    seeds: tuple[int, ...]
    outcomes: tuple[RunEnd, ...]
    ticks: tuple[int, ...]
    success_rate: float
    interval: tuple[float, float]
    seconds_to_success: float | None
    created: str
    cameras: tuple[str, ...]
    episodes: Mapping[int, str]

    @property
    def success_by_seed(self) -> dict[int, bool]:
        return {seed: end is RunEnd.SUCCESS for seed, end in zip(self.seeds, self.outcomes, strict=True)}


def require_free_name(folder: Path, name: str) -> None:
    """Raises WorkspaceError when the evaluations folder has an evaluation of that name."""
    if (folder / name).exists():
        raise WorkspaceError(f"There is an evaluation '{name}' already; choose another name, or delete it first.")


def save_evaluation(folder: Path, name: str, result: Mapping[str, Any], rollouts: Sequence[Rollout]) -> None:
    """Store a result of `evaluate` with its rollouts in the evaluations folder, whole or not at all.

    Raises:
        WorkspaceError: the name is taken, or the disk refuses.
    """

    def write(target: Path) -> None:
        (target / "rollouts").mkdir()
        for rollout in rollouts:
            write_rollout(target / _rollout_file(rollout.seed), rollout)
        facts = {"format_version": FORMAT_VERSION, **result}
        (target / RESULTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    require_free_name(folder, name)
    with disk_errors(f"saving the evaluation '{name}'"):
        remove_leftovers(folder)
        write_new_folder(folder / name, write)


def list_evaluations(folder: Path) -> list[StoredEvaluation]:
    """All whole evaluations of the evaluations folder, newest first; damaged ones are left out."""
    found = (_read(path.parent) for path in sorted(folder.glob(f"[!.]*/{RESULTS_FILE}")))
    return sorted((each for each in found if each is not None), key=lambda each: each.created, reverse=True)


def load_rollout(folder: Path, evaluation: StoredEvaluation, seed: int) -> Rollout:
    """The stored rollout from `seed`. Raises DatasetError when it is missing or damaged."""
    arrays = read_rollout(folder / evaluation.name / _rollout_file(seed))
    end = evaluation.outcomes[evaluation.seeds.index(seed)]
    info = EpisodeInfo(
        task=evaluation.task,
        look=evaluation.look,
        seed=seed,
        control_hz=evaluation.control_hz,
        source=Source.AUTONOMOUS,
        success=end is RunEnd.SUCCESS,
        operator="",
        created=evaluation.created,
        model_xml="",
    )
    return Rollout(info, end, arrays.states, arrays.executed_actions, arrays.neighbours)


def delete_evaluations(folder: Path, names: Sequence[str]) -> None:
    """Move evaluations to the trash, from where `restore_evaluations` brings them back. Raises WorkspaceError."""
    with disk_errors("deleting the evaluation"):
        (folder / _TRASH).mkdir(exist_ok=True)
        for name in names:
            shutil.rmtree(folder / _TRASH / name, ignore_errors=True)
            (folder / name).rename(folder / _TRASH / name)


def restore_evaluations(folder: Path, names: Sequence[str]) -> None:
    """Undo `delete_evaluations`. Raises WorkspaceError, also when a name has been given anew since."""
    for name in names:
        require_free_name(folder, name)
        with disk_errors("bringing the evaluation back"):
            (folder / _TRASH / name).rename(folder / name)


def _rollout_file(seed: int) -> str:
    return f"rollouts/seed-{seed}.npz"


def _read(folder: Path) -> StoredEvaluation | None:
    try:
        facts = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))
        index = facts["index"] or {}
        low, high = facts["interval"]
        evaluation = StoredEvaluation(
            name=folder.name,
            policy=facts["label"],
            task=facts["task"],
            look=facts["look"],
            control_hz=facts["control_hz"],
            seeds=tuple(facts["seeds"]),
            outcomes=tuple(RunEnd(end) for end in facts["outcomes"]),
            ticks=tuple(facts["ticks"]),
            success_rate=facts["success_rate"],
            interval=(low, high),
            seconds_to_success=facts["seconds_to_success"],
            created=facts["created"],
            cameras=tuple(index.get("cameras", ())),
            episodes={int(number): fingerprint for number, fingerprint in index.get("episodes", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    whole = len(evaluation.seeds) == len(evaluation.outcomes) == len(evaluation.ticks)
    return evaluation if whole else None
