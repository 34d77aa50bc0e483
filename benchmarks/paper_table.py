"""Success rates of every task, look, method and number of demonstrations: the tables and plot of docs/results.md.

Resumable: what was measured is in results.json of the folder, and is not measured again. Every method of a row runs
from the same held-out seeds; among distractors only the encoders are compared. Afterwards come: success by number of
demonstrations and by k, the action error of every encoder, and three encoder seeds for the headline cells.

    python benchmarks/paper_table.py [--folder FOLDER] [--quick] [--task TASK ...] [--look LOOK ...] [--method NAME ...]
                                     [--demonstrations N ...] [--rollouts N] [--write FILE]
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

from common import ROOT, train_and_index
from results_report import curve_svg, report
from run_all import machine

from vinn_core.config import (
    LOOKS,
    POLICY_SETTINGS,
    TASKS,
    CollectJob,
    IndexConfig,
    TrainConfig,
    WorkspaceConfig,
    preset,
)
from vinn_core.episodes.dataset import Dataset
from vinn_core.processes import map_in_processes, usable_cores
from vinn_core.progress import StopRequest
from vinn_core.retrieval.action_error import leave_one_demonstration_out
from vinn_core.retrieval.store import load_index
from vinn_core.rollouts.collect import collect
from vinn_core.rollouts.evaluation import RandomPolicy, wilson_interval
from vinn_core.rollouts.rollout import RolloutRunner
from vinn_core.session.loop import Session
from vinn_core.session.messages import SetPolicy
from vinn_core.session.policy import Policy
from vinn_core.workspace import Workspace

FIRST_SEED = 10_000
HEADLINE = ("ours", "frozen")
CURVE_TASK = "lift"
ENCODERS_COMPARED = ("ours_random", "frozen", "ours", "always_byol")
ALL_COMPARED_UNDER = ("none", "varied")
"""The looks of the whole table; under the others only the encoders are compared."""
PROBED_ON = (("lift", "varied"), ("push", "varied"))
"""Where more encoders, and other k, are compared."""
_BYOL = partial(preset, "quick", compare_with_start=False)
_ENCODERS: dict[str, Callable[[], TrainConfig]] = {
    "random": partial(preset, "frozen", start_weights="random"),
    "frozen": partial(preset, "frozen"),
    "crops": partial(_BYOL, crop=0.5),
    "byol": _BYOL,
    "default": partial(preset, "quick"),
    "one_epoch": partial(_BYOL, epochs=1, fewest_steps=0),
    "global": partial(preset, "frozen", feature="global"),
    "byol_global": partial(_BYOL, feature="global"),
    "coarse": partial(preset, "frozen", grid_size=2),
    "small_random": partial(preset, "frozen", backbone="mobilenet_v3_small", start_weights="random"),
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
    "ours_random": Method("Ours, random encoder", "random", "default"),
    "frozen": Method("Ours, frozen features", "frozen", "default"),
    "ours": Method("Ours", "default", "default"),
    "always_byol": Method("Ours, BYOL kept even where it did harm", "byol", "default"),
    "plain_one_epoch": Method("Plain VINN, our BYOL, one epoch", "one_epoch", "plain"),
    "plain_global": Method("Plain VINN, frozen, global pooling", "global", "plain"),
    "plain_byol_global": Method("Plain VINN, our BYOL, global pooling", "byol_global", "plain"),
    "plain_coarse": Method("Plain VINN, frozen, 2 x 2 cells", "coarse", "plain"),
    "plain_small_random": Method("Plain VINN, random MobileNetV3-small", "small_random", "plain"),
}
PROBED = tuple(name for name, method in METHODS.items() if method.kind == "plain")
"""Encoders of differing quality: does the action error rank them as success does?"""
MAIN = tuple(METHODS)[: list(METHODS).index("ours") + 1]


@dataclass(frozen=True)
class Cell:
    """One number of the table."""

    task: str
    look: str
    demonstrations: int
    method: str
    rollouts: int
    encoder_seed: int = 0
    neighbours: int = IndexConfig().neighbours

    @property
    def name(self) -> str:
        """Unique, but for the number of rollouts."""
        name = f"{self.task}/{self.look}/{self.demonstrations}/{self.method}"
        if self.neighbours != IndexConfig().neighbours:
            name += f"/k{self.neighbours}"
        return f"{name}/seed{self.encoder_seed}" if self.encoder_seed else name

    @property
    def encoder(self) -> str | None:
        """Name of its encoder and index in the workspace."""
        name = METHODS[self.method].encoder
        return f"{name}-{self.encoder_seed}" if name and self.encoder_seed else name


class Materials:
    """Demonstrations, encoders, indexes and networks, each made when it is first needed."""

    def __init__(self, folder: Path, most_demonstrations: dict[str, int]) -> None:
        """`most_demonstrations`: by task; all smaller numbers are the first ones of these."""
        self._folder = folder
        self._most = most_demonstrations

    def workspace(self, cell: Cell) -> Path:
        """A workspace of the first so many demonstrations."""
        most = self._most[cell.task]
        all_of_them = self._folder / f"{cell.task}-{cell.look}-{most}"
        if not (all_of_them / "complete").exists():
            shutil.rmtree(all_of_them, ignore_errors=True)
            with Workspace.open(all_of_them, WorkspaceConfig(task=cell.task, look=cell.look)) as workspace:
                collect(
                    workspace,
                    CollectJob(episodes=most, seed=0, noise=1.0),
                    report=lambda event: None,
                    stop=StopRequest(),
                )
            (all_of_them / "complete").touch()
        if cell.demonstrations == most:
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

    def prepare(self, path: Path, cell: Cell) -> float:
        """Make what the cell's method needs; the seconds that took, 0 where it was there."""
        started, method = monotonic(), METHODS[cell.method]
        with Workspace.open(path) as workspace:
            if method.encoder and cell.encoder and not (workspace.indexes_folder / cell.encoder).exists():
                config = replace(_ENCODERS[method.encoder](), seed=cell.encoder_seed)
                train_and_index(workspace, cell.encoder, config)
            clone = _clone_file(path, cell)
            if method.kind == "cloning" and not clone.exists():
                from baselines import clone_behaviour

                clone_behaviour(workspace, cell.encoder, 0, file=clone)
        return monotonic() - started


def _clone_file(path: Path, cell: Cell) -> Path:
    return path / "clones" / f"{cell.encoder or 'images'}.pickle"


@dataclass(frozen=True)
class _Plan:
    """Which cells are measured, the most telling first; `methods` None: those that a look is meant for."""

    tasks: Sequence[str]
    looks: Sequence[str]
    methods: Sequence[str] | None
    demonstrations: Sequence[int]
    rollouts: int
    curve: Sequence[int] = (10, 25, 50, 100, 200)
    ks: Sequence[int] = (1, 3, 10, 20)

    def most_demonstrations(self) -> dict[str, int]:
        return {task: max(*self.demonstrations, *(self.curve if task == CURVE_TASK else (0,))) for task in self.tasks}

    def cells(self) -> Iterator[Cell]:
        most = max(self.demonstrations)
        headline = [method for method in HEADLINE if self.methods is None or method in self.methods]
        looks = [look for look in self.looks if look in ALL_COMPARED_UNDER]
        for look in looks:
            for task in self.tasks:
                for method in headline:
                    yield Cell(task, look, most, method, 2 * self.rollouts)
        for demonstrations in self.demonstrations:
            for look in self.looks:
                for task in self.tasks:
                    for method in self.methods or (MAIN if look in looks else ENCODERS_COMPARED):
                        yield Cell(task, look, demonstrations, method, self.rollouts)
        for look in looks if CURVE_TASK in self.tasks else ():
            for method in headline:
                for demonstrations in self.curve:
                    yield Cell(CURVE_TASK, look, demonstrations, method, self.rollouts)
        for task, look in PROBED_ON:
            if task in self.tasks and look in self.looks:
                for method in PROBED:
                    yield Cell(task, look, most, method, self.rollouts)
                for method in ("plain_byol", "ours"):
                    for k in self.ks:
                        yield Cell(task, look, most, method, self.rollouts, neighbours=k)
        for encoder_seed in (1, 2):
            for look in looks:
                for task in self.tasks:
                    for method in headline:
                        yield Cell(task, look, most, method, 2 * self.rollouts, encoder_seed)


_runner = RolloutRunner()
_session: Session | None = None


def _start_worker(path: str, cell: Cell) -> None:
    global _session
    with Workspace.open(Path(path)) as workspace:
        policy = _make_policy(workspace, cell)
        config = workspace.config
    _session = Session.of(config, cameras=policy.cameras if policy else (), on_event=_runner.notice)
    _session.handle(SetPolicy(policy or RandomPolicy(_session.simulation)))


def _make_policy(workspace: Workspace, cell: Cell) -> Policy | None:
    method = METHODS[cell.method]
    if method.kind == "random":
        return None
    from vinn_core.encoder.torch_setup import use_one_thread

    use_one_thread()
    if method.kind in ("nearest_start", "cloning"):
        from baselines import NearestStart, load_clone

        if method.kind == "cloning":
            return load_clone(workspace, _clone_file(workspace.path, cell))
        assert cell.encoder is not None
        return NearestStart(workspace, cell.encoder)
    from vinn_core.retrieval.vinn import load_policy

    assert cell.encoder is not None
    return load_policy(workspace, cell.encoder, IndexConfig(neighbours=cell.neighbours).policy(method.kind))


def _roll_out(seed: int) -> tuple[bool, int]:
    assert _session is not None
    rollout = _runner.run(_session, seed)
    return rollout.success, len(rollout.states) - 1


def measure(cell: Cell, materials: Materials) -> dict[str, Any]:
    """Success of one cell over its held-out seeds."""
    path = materials.workspace(cell)
    prepared_s = materials.prepare(path, cell)
    seeds = range(FIRST_SEED, FIRST_SEED + cell.rollouts)
    workers = min(usable_cores(), cell.rollouts)
    outcomes = list(map_in_processes(_roll_out, seeds, workers, initializer=_start_worker, initargs=(str(path), cell)))
    successes = [success for success, _ in outcomes]
    return {
        "successes": successes,
        "ticks": [ticks for _, ticks in outcomes],
        "success_rate": sum(successes) / len(successes),
        "interval": list(wilson_interval(sum(successes), len(successes))),
        "prepared_s": prepared_s,
        "action_error": _action_error(path, cell),
        "machine": machine(),
    }


def _action_error(path: Path, cell: Cell) -> float | None:
    """Of the encoder's embeddings, by which `plain` retrieves; None for methods that retrieve nothing."""
    if METHODS[cell.method].kind not in POLICY_SETTINGS or cell.encoder is None:
        return None
    index = load_index(path / "indexes" / cell.encoder)
    return leave_one_demonstration_out(index.embeddings, index.episodes, index.actions).relative


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "benchmarks" / "results" / "paper_table")
    parser.add_argument("--quick", action="store_true", help="lift and door, look none, 10 demonstrations, 4 rollouts")
    parser.add_argument("--task", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--look", nargs="+", choices=LOOKS, default=LOOKS)
    parser.add_argument(
        "--method",
        nargs="+",
        choices=tuple(METHODS),
        help="default: all; among distractors, encoders only",
    )
    parser.add_argument("--demonstrations", nargs="+", type=int, default=(100, 25))
    parser.add_argument("--rollouts", type=int, default=50, help="of each cell; 0: only tell what was measured before")
    parser.add_argument(
        "--write", type=Path, help="write the tables here (Markdown), and beside them plot (SVG) and outcomes (JSON)"
    )
    options = parser.parse_args()
    plan = _Plan(options.task, options.look, options.method, options.demonstrations, options.rollouts)
    if options.quick:
        plan = _Plan(("lift", "door"), ("none",), options.method, (10,), 4, curve=(10,), ks=(1,))
        options.folder /= "quick"
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / "results.json"
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    materials = Materials(options.folder, plan.most_demonstrations())
    for cell in plan.cells():
        if len(results.get(cell.name, {"successes": ()})["successes"]) < cell.rollouts:
            results[cell.name] = measure(cell, materials)
            _save(results, file)
            print(f"{cell.name}: {results[cell.name]['success_rate']:.2f}", file=sys.stderr, flush=True)
    titles = {name: method.title for name, method in METHODS.items()}
    print(report(results, titles))
    if options.write:
        plot = options.write.with_suffix(".svg")
        options.write.write_text(report(results, titles, plot.name), encoding="utf-8")
        plot.write_text(curve_svg(results), encoding="utf-8")
        _save(results, options.write.with_suffix(".json"))
    return 0


def _save(results: Mapping[str, Any], file: Path) -> None:
    """One line per cell."""
    cells = ",\n".join(f"{json.dumps(name)}: {json.dumps(cell)}" for name, cell in results.items())
    file.write_text(f"{{\n{cells}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
