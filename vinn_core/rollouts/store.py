"""Evaluations kept in the workspace: the results as JSON, and every rollout so that it can be watched again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vinn_core.errors import ConfigError, WorkspaceError
from vinn_core.files import disk_errors, remove_leftovers, write_new_folder
from vinn_core.rollouts.evaluation import EvaluationResult
from vinn_core.rollouts.file import read_rollout, write_rollout
from vinn_core.rollouts.rollout import Rollout, rollout_info

FORMAT_VERSION = 1
RESULTS_FILE = "results.json"
_TRASH = ".trash"


@dataclass(frozen=True)
class StoredEvaluation:
    """A stored evaluation without its rollouts.

    Attributes:
        name: of its folder.
        result: what came of it.
    """

    name: str
    result: EvaluationResult

    @property
    def cameras(self) -> tuple[str, ...]:
        """That the policy saw by; empty for a policy without neighbours."""
        return self.result.index.cameras if self.result.index else ()

    @property
    def episodes(self) -> Mapping[int, str]:
        """Fingerprint by number of the episodes that the neighbours are from."""
        return (self.result.index.episodes if self.result.index else None) or {}


def require_free_name(folder: Path, name: str) -> None:
    """Raises WorkspaceError when the evaluations folder has an evaluation of that name."""
    if (folder / name).exists():
        raise WorkspaceError(f"There is an evaluation '{name}' already; choose another name, or delete it first.")


def save_evaluation(folder: Path, name: str, result: EvaluationResult, *, rollouts: Sequence[Rollout]) -> None:
    """Store a result of `evaluate` with its rollouts in the evaluations folder, whole or not at all.

    Raises:
        WorkspaceError: the name is taken, or the disk refuses.
    """

    def write(target: Path) -> None:
        (target / "rollouts").mkdir()
        for rollout in rollouts:
            write_rollout(target / _rollout_file(rollout.seed), rollout)
        facts = {"format_version": FORMAT_VERSION, **result.to_dict()}
        (target / RESULTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    require_free_name(folder, name)
    with disk_errors(f"saving the evaluation '{name}'"):
        remove_leftovers(folder)
        write_new_folder(folder / name, write)


def list_evaluations(folder: Path) -> list[StoredEvaluation]:
    """All whole evaluations of the evaluations folder, newest first; damaged ones are left out."""
    found = (_read(path.parent) for path in sorted(folder.glob(f"[!.]*/{RESULTS_FILE}")))
    return sorted((each for each in found if each is not None), key=lambda each: each.result.created, reverse=True)


def load_rollout(folder: Path, evaluation: StoredEvaluation, seed: int) -> Rollout:
    """The stored rollout from `seed`. Raises DatasetError when it is missing or damaged."""
    result = evaluation.result
    arrays = read_rollout(folder / evaluation.name / _rollout_file(seed))
    end = result.outcomes[result.seeds.index(seed)]
    info = rollout_info(
        task=result.task,
        look=result.look,
        seed=seed,
        control_hz=result.control_hz,
        end=end,
        created=result.created,
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
        result = EvaluationResult.from_dict(json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, ConfigError):
        return None
    whole = 0 < len(result.seeds) == len(result.outcomes) == len(result.ticks)
    return StoredEvaluation(folder.name, result) if whole else None
