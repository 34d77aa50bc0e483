"""Success rates of every task, look, method and number of demonstrations: the table of docs/results.md.

Resumable: what was measured is in results.json of the folder, and is not measured again. Every method of a row runs
from the same held-out seeds.

    python benchmarks/paper_table.py [--folder FOLDER] [--quick] [--task TASK ...] [--look LOOK ...] [--method NAME ...]
                                     [--demonstrations N ...] [--rollouts N]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from common import ROOT, train_and_index
from run_all import machine

from vinn_core.collect import collect
from vinn_core.config import TASKS, IndexConfig, TrainConfig, WorkspaceConfig, preset
from vinn_core.dataset import Dataset
from vinn_core.evaluation import RandomPolicy, wilson_interval
from vinn_core.messages import SetPolicy
from vinn_core.policy import Policy
from vinn_core.progress import StopRequest
from vinn_core.rollout import RolloutRunner, map_in_processes, usable_cores
from vinn_core.session import Session
from vinn_core.task import load_task
from vinn_core.workspace import Workspace

FIRST_SEED = 10_000
LOOKS = ("none", "varied")
_ENCODERS: dict[str, Callable[[], TrainConfig]] = {
    "random": partial(preset, "frozen", start_weights="random"),
    "frozen": partial(preset, "frozen"),
    "crops": partial(preset, "quick", crop=0.5),
    "byol": partial(preset, "quick"),
}


@dataclass(frozen=True)
class Method:
    """One row of the table: a title, the encoder it sees by (None: none), and how it decides."""

    title: str
    encoder: str | None
    kind: str


METHODS = {
    "random_actions": Method("Random actions", None, "random"),
    "nearest_start": Method("Nearest start, replayed open loop", "frozen", "nearest_start"),
    "cloning": Method("Behaviour cloning, end to end", None, "cloning"),
    "cloning_frozen": Method("Behaviour cloning on frozen features", "frozen", "cloning"),
    "plain_random": Method("Plain VINN, random encoder", "random", "plain"),
    "plain_frozen": Method("Plain VINN, frozen features", "frozen", "plain"),
    "plain_crops": Method("Plain VINN, BYOL with crops", "crops", "plain"),
    "plain_byol": Method("Plain VINN, our BYOL", "byol", "plain"),
    "frozen": Method("Ours, frozen features", "frozen", "default"),
    "ours": Method("Ours", "byol", "default"),
}


@dataclass(frozen=True)
class Cell:
    """One number of the table."""

    task: str
    look: str
    demonstrations: int
    method: str
    rollouts: int

    @property
    def name(self) -> str:
        return f"{self.task}/{self.look}/{self.demonstrations}/{self.method}"


class Materials:
    """Demonstrations, encoders, indexes and networks, each made when it is first needed."""

    def __init__(self, folder: Path, most_demonstrations: int) -> None:
        self._folder = folder
        self._most = most_demonstrations

    def workspace(self, cell: Cell) -> Path:
        """A workspace of the first so many demonstrations."""
        all_of_them = self._folder / f"{cell.task}-{cell.look}-{self._most}"
        if not (all_of_them / "complete").exists():
            shutil.rmtree(all_of_them, ignore_errors=True)
            with Workspace.open(all_of_them, WorkspaceConfig(task=cell.task, look=cell.look)) as workspace:
                collect(workspace, self._most, 0, 1.0, None, lambda event: None, StopRequest())
            (all_of_them / "complete").touch()
        if cell.demonstrations == self._most:
            return all_of_them
        some = self._folder / f"{cell.task}-{cell.look}-{cell.demonstrations}"
        if not (some / "complete").exists():
            shutil.rmtree(some, ignore_errors=True)
            with Workspace.open(all_of_them) as source, Workspace.open(some, source.config) as workspace:
                for summary in Dataset(source).summaries()[: cell.demonstrations]:
                    workspace.episodes_folder.mkdir(exist_ok=True)
                    shutil.copy2(summary.path, workspace.episodes_folder / summary.path.name)
            (some / "complete").touch()
        return some

    def prepare(self, path: Path, method: Method) -> float:
        """Make what the method needs; the seconds that took, 0 where it was there."""
        started = monotonic()
        with Workspace.open(path) as workspace:
            if method.encoder is not None and not (workspace.indexes_folder / method.encoder).exists():
                train_and_index(workspace, method.encoder, _ENCODERS[method.encoder]())
            clone = _clone_file(path, method)
            if method.kind == "cloning" and not clone.exists():
                from baselines import clone_behaviour

                clone_behaviour(workspace, method.encoder, 0, clone)
        return monotonic() - started


def _clone_file(path: Path, method: Method) -> Path:
    return path / "clones" / f"{method.encoder or 'images'}.pickle"


_runner = RolloutRunner()
_session: Session | None = None


def _start_worker(path: str, method: Method) -> None:
    global _session
    with Workspace.open(Path(path)) as workspace:
        policy = _make_policy(workspace, method)
        config = workspace.config
    _session = Session(
        load_task(config.task),
        look=config.look,
        cameras=policy.cameras if policy else (),
        image_size=config.image_size,
        control_hz=config.control_hz,
        on_event=_runner.notice,
    )
    _session.handle(SetPolicy(policy or RandomPolicy(_session.simulation)))


def _make_policy(workspace: Workspace, method: Method) -> Policy | None:
    if method.kind == "random":
        return None
    from vinn_core.torch_setup import use_one_thread

    use_one_thread()
    if method.kind in ("nearest_start", "cloning"):
        from baselines import NearestStart, load_clone

        if method.kind == "cloning":
            return load_clone(workspace, _clone_file(workspace.path, method))
        assert method.encoder is not None
        return NearestStart(workspace, method.encoder)
    from vinn_core.index import load_policy

    assert method.encoder is not None
    return load_policy(workspace, method.encoder, IndexConfig().policy(method.kind))


def _roll_out(seed: int) -> tuple[bool, int]:
    assert _session is not None
    rollout = _runner.run(_session, seed)
    return rollout.success, len(rollout.states) - 1


def measure(cell: Cell, materials: Materials) -> dict[str, Any]:
    """Success of one cell over its held-out seeds."""
    method = METHODS[cell.method]
    path = materials.workspace(cell)
    prepared_s = materials.prepare(path, method)
    seeds = range(FIRST_SEED, FIRST_SEED + cell.rollouts)
    workers = min(usable_cores(), cell.rollouts)
    outcomes = list(map_in_processes(_roll_out, seeds, workers, _start_worker, (str(path), method)))
    successes = [success for success, _ in outcomes]
    return {
        "successes": successes,
        "ticks": [ticks for _, ticks in outcomes],
        "success_rate": sum(successes) / len(successes),
        "interval": list(wilson_interval(sum(successes), len(successes))),
        "prepared_s": prepared_s,
        "machine": machine(),
    }


def show(results: dict[str, Any]) -> str:
    """The table in Markdown: a row per method, a column per task, look and number of demonstrations."""
    columns = list(dict.fromkeys(name.rpartition("/")[0] for name in results))
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, method in METHODS.items():
        found = [results.get(f"{column}/{name}") for column in columns]
        if any(found):
            figures = [f"{r['success_rate']:.2f} ({len(r['successes'])})" if r else "" for r in found]
            lines.append(f"| {method.title} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "benchmarks" / "results" / "paper_table")
    parser.add_argument("--quick", action="store_true", help="lift and door, look none, 10 demonstrations, 4 rollouts")
    parser.add_argument("--task", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--look", nargs="+", choices=LOOKS, default=LOOKS)
    parser.add_argument("--method", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    parser.add_argument("--demonstrations", nargs="+", type=int, default=(100, 25))
    parser.add_argument("--rollouts", type=int, default=50)
    options = parser.parse_args()
    if options.quick:
        options.task, options.look, options.demonstrations, options.rollouts = ("lift", "door"), ("none",), (10,), 4
        options.folder /= "quick"
    materials = Materials(options.folder, max(options.demonstrations))
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "results.json"
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for look in options.look:
        for task in options.task:
            for demonstrations in options.demonstrations:
                for method in options.method:
                    cell = Cell(task, look, demonstrations, method, options.rollouts)
                    if len(results.get(cell.name, {"successes": ()})["successes"]) >= cell.rollouts:
                        continue
                    results[cell.name] = measure(cell, materials)
                    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
                    print(f"{cell.name}: {results[cell.name]['success_rate']:.2f}", file=sys.stderr, flush=True)
    print(show(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
