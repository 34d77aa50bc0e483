"""What each command does: opens the workspace, has the work done, and says how it went.

Each takes the workspace's folder, its job and where its events go, and returns the exit code. The work itself is
imported when it is asked for: the help is there at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vinn_core.cli.output import JobOutput
from vinn_core.config import (
    CollectJob,
    EvaluateJob,
    IndexJob,
    JsonConfig,
    ReplayJob,
    TrainJob,
    WorkspaceConfig,
)
from vinn_core.errors import WorkspaceError
from vinn_core.workspace import Workspace

if TYPE_CHECKING:
    from vinn_core.retrieval.build import IndexResult


def collect(folder: Path, job: CollectJob, output: JobOutput) -> int:
    """Demonstrations of the scripted expert, in a new workspace where there is none."""
    from vinn_core.rollouts.collect import collect as collect_demonstrations

    usual = WorkspaceConfig()
    wanted = WorkspaceConfig(task=job.task or usual.task, look=job.look or usual.look)
    with _open(folder) if _is_workspace(folder) else Workspace.open(folder, wanted) as workspace:
        result = collect_demonstrations(workspace, job, report=output.report, stop=output.stop)
    made = f"{len(result.episodes)} demonstrations"
    if result.stopped:
        return output.stopped(result, f"Stopped; {made} were kept.")
    return output.finish(result, f"{made}, {result.frames} frames")


def replay(folder: Path, job: ReplayJob, output: JobOutput) -> int:
    """An episode, by its states or its actions."""
    from vinn_core.rollouts.replay import replay_episode

    with _open(folder) as workspace:
        result = replay_episode(workspace, job.episode, job.states)
    return output.finish(result, result.in_words())


def train(folder: Path, job: TrainJob, output: JobOutput) -> int:
    """An encoder, and its index where that is asked for."""
    with _open(folder) as workspace:
        from vinn_core.training.run import train_on_workspace  # after what may be refused: torch takes seconds to load

        result = train_on_workspace(workspace, job, report=output.report, stop=output.stop)
        if result.stopped:
            return output.stopped(result, "Stopped; a checkpoint was kept. Go on with --resume.")
        if job.index:
            built = _build(workspace, IndexJob(job.name), output)
            if built is None:
                return output.stopped(None, _INDEX_UNCHANGED)
            result = replace(result, index=built)
    return output.finish(result, result.in_words())


def index(folder: Path, job: IndexJob, output: JobOutput) -> int:
    """An index from all usable episodes."""
    with _open(folder) as workspace:
        built = _build(workspace, job, output)
    if built is None:
        return output.stopped(None, _INDEX_UNCHANGED)
    return output.finish(built, built.in_words())


def evaluate(folder: Path, job: EvaluateJob, output: JobOutput) -> int:
    """The success rate of one policy, or of several beside each other."""
    with _open(folder) as workspace:
        from vinn_core.cli.evaluate import run  # after what may be refused

        return run(workspace, job, output)


def info(folder: Path, job: JsonConfig, output: JobOutput) -> int:
    """What a workspace holds."""
    from vinn_core.cli.info import describe

    with _open(folder) as workspace:
        result = describe(workspace)
    return output.finish(result, result.in_words())


def doctor(folder: Path | None, job: JsonConfig, output: JobOutput) -> int:
    """What this machine offers."""
    from vinn_core.cli.doctor import examine

    result = examine(folder or Path.cwd())
    return output.finish(result, result.in_words())


_INDEX_UNCHANGED = "Stopped; the index was not changed."


def _build(workspace: Workspace, job: IndexJob, output: JobOutput) -> IndexResult | None:
    """None when stopped."""
    from vinn_core.encoder.network import load_encoder
    from vinn_core.retrieval.build import IndexResult, build_index

    encoder = load_encoder(workspace.encoders_folder / job.encoder)
    built = build_index(workspace, encoder, job, report=output.report, stop=output.stop)
    return None if built is None else IndexResult(job.index_name, job.encoder, len(built), built.info.recall)


def _is_workspace(folder: Path) -> bool:
    return (folder / "workspace.json").exists()


def _open(folder: Path) -> Workspace:
    if not _is_workspace(folder):
        raise WorkspaceError(
            f"{folder} is not a workspace. Record in the window, or begin with: vinn collect --workspace {folder}"
        )
    return Workspace.open(folder)
