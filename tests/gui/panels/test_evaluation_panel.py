from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import recorded
from pretend_job import PretendJob
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTreeWidget
from pytestqt.qtbot import QtBot

from app.panels.evaluation.panel import EvaluationPanel
from app.state.frame_cache import FrameCache
from app.state.workspace import WorkspaceModel
from app.window.main_window import MainWindow
from vinn_core.config import EvaluateJob
from vinn_core.episodes.episode import Action, EpisodeInfo, Source
from vinn_core.progress import JobFailed, JobFinished, JobStopped, StageProgress
from vinn_core.retrieval.store import IndexOrigin
from vinn_core.rollouts.evaluation import EvaluationResult
from vinn_core.rollouts.rollout import Rollout
from vinn_core.rollouts.store import list_evaluations, save_evaluation
from vinn_core.session.messages import Command, Mode, ReplayKind, ReplayStatus, RunEnd, StartReplay, StopReplay
from vinn_core.session.policy import Decision, Neighbour
from vinn_core.workspace import Workspace
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task

TICKS = 6


def rollout(seed: int, success: bool, states: np.ndarray | None = None) -> Rollout:
    """At tick t it followed step t of the episodes 1 and 2, the first one thrice as much."""
    end = RunEnd.SUCCESS if success else RunEnd.TIME_OUT
    info = EpisodeInfo("lift", "none", seed, 10.0, Source.AUTONOMOUS, success, "", "", "")
    states = np.zeros((TICKS + 1, 5)) if states is None else states
    actions = np.zeros((TICKS, 7), np.float32)
    neighbours = tuple((Neighbour(1, tick, 0.1, 0.75), Neighbour(2, tick, 0.2, 0.25)) for tick in range(TICKS))
    return Rollout(info, end, states, actions, neighbours)


def evaluated(label: str, rollouts: Sequence[Rollout], **changes: Any) -> EvaluationResult:
    """What `evaluate` would say of these."""
    outcomes = tuple(each.end for each in rollouts)
    successes = sum(each.success for each in rollouts)
    facts: dict[str, Any] = {
        "policy": "vinn",
        "label": label,
        "index": IndexOrigin(cameras=("wrist",), episodes={}),
        "retrieval": None,
        "task": "lift",
        "look": "none",
        "control_hz": 10.0,
        "success_rate": successes / len(rollouts),
        "interval": (0.25, 0.75),
        "episodes": len(rollouts),
        "seeds": tuple(each.seed for each in rollouts),
        "outcomes": outcomes,
        "ticks": tuple(len(each) for each in rollouts),
        "seconds_to_success": 0.6,
        "trajectory_sha256": "",
        "created": f"2026-03-01T10:00:0{len(outcomes)}+00:00",
        "wall_s": 1.0,
    }
    return EvaluationResult(**{**facts, **changes})


def store(workspace: Workspace, name: str, outcomes: str, *, first: int = 10_000, **changes: Any) -> None:
    """Outcome "10" is a success from seed `first` and a failure from the next."""
    rollouts = [rollout(first + place, outcome == "1") for place, outcome in enumerate(outcomes)]
    result = evaluated(name, rollouts, **changes)
    save_evaluation(workspace.evaluations_folder, name, result, rollouts=rollouts)


def rows(table: QTreeWidget) -> list[list[str]]:
    items = [table.topLevelItem(row) for row in range(table.topLevelItemCount())]
    return [[item.text(column) for column in range(table.columnCount())] for item in items if item is not None]


class Bench:
    """A panel without a window; `commands` is what it asked of the session."""

    def __init__(self, qtbot: QtBot, model: WorkspaceModel, panel: EvaluationPanel) -> None:
        self.qtbot, self.model, self.panel = qtbot, model, panel
        self.commands: list[Command] = []
        self.sentences: list[tuple[str, str]] = []
        panel.command.connect(self.commands.append)
        panel.notify.connect(lambda level, text: self.sentences.append((level, text)))

    @property
    def job(self) -> PretendJob:
        return PretendJob.made[-1]

    @property
    def workspace(self) -> Workspace:
        return self.model.workspace

    def press(self) -> None:
        self.qtbot.mouseClick(self.panel.start, Qt.MouseButton.LeftButton)

    def see(self, evaluations: int) -> None:
        """Read the workspace anew, until so many evaluations are listed."""
        self.model.refresh()
        table = self.panel.table
        self.qtbot.waitUntil(lambda: self.model.listed and table.topLevelItemCount() == evaluations)

    def choose(self, *names: str) -> None:
        table = self.panel.table
        table.clearSelection()
        for row, cells in enumerate(rows(table)):
            item = table.topLevelItem(row)
            assert item is not None
            item.setSelected(cells[0] in names)

    def double_click(self, row: int) -> None:
        table = self.panel.rollouts
        item = table.topLevelItem(row)
        assert item is not None
        place = table.visualItemRect(item).center()
        self.qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
        self.qtbot.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []
    frames = FrameCache()
    PretendJob.made = []

    def make(*indexes: str) -> Bench:
        workspace = recorded.make_workspace(tmp_path / "w", [recorded.episode(number) for number in (1, 2, 3)])
        for name in indexes:
            recorded.write_index(workspace, name)
        model = WorkspaceModel(workspace)
        panel = EvaluationPanel(model, frames, make_job=PretendJob)  # type: ignore[arg-type]
        qtbot.addWidget(panel)
        panel.resize(340, 900)
        panel.show()
        made.append(Bench(qtbot, model, panel))
        with qtbot.waitSignal(model.refreshed):
            model.refresh()
        return made[-1]

    yield make
    for each in made:
        each.panel.close_jobs()
        frames.close()
        each.model.close()
        each.workspace.close()


@pytest.fixture
def ready(bench: Callable[..., Bench]) -> Bench:
    return bench("default", "other")


def test_without_an_index_it_says_what_to_do(bench: Callable[..., Bench]) -> None:
    panel = bench().panel
    assert not panel.start.isEnabled()
    assert panel.reason.isVisible()
    assert "Train & index" in panel.reason.text()
    assert panel.empty.isVisible()
    assert "Press Start" in panel.empty.text()
    assert not panel.table.isVisible()


def test_start_evaluates_as_chosen_and_stores_under_a_free_name(ready: Bench) -> None:
    form = ready.panel.form
    store(ready.workspace, "other-plain-varied-1", "1")
    form.index.setCurrentText("other")
    for name, value in {"setting": "plain", "look": "varied", "episodes": 30, "seed": 500}.items():
        form.fields[name].set_value(value)
    ready.press()
    assert ready.job.started
    assert (ready.job.command, ready.job.workspace_folder) == ("evaluate", ready.workspace.path)
    expected = EvaluateJob("vinn", "other", "plain", look="varied", episodes=30, seed=500, save="other-plain-varied-2")
    assert ready.job.config == expected
    assert ready.job.understood() == expected


def test_by_default_twenty_rollouts_from_held_out_seeds(ready: Bench) -> None:
    ready.press()
    job = ready.job.config
    assert isinstance(job, EvaluateJob)
    assert (job.index, job.setting, job.look) == ("default", "default", "none")
    assert (job.episodes, job.seed) == (20, 10_000)


def test_an_index_in_a_folder_that_is_no_name_is_refused_in_a_sentence(bench: Callable[..., Bench]) -> None:
    made = bench("my index")
    made.press()
    assert PretendJob.made == []
    [(level, sentence)] = made.sentences
    assert level == "error"
    assert "'my index' is no name" in sentence
    assert made.panel.start.text() == "Start"


def test_progress_is_shown_and_cancel_says_what_is_kept(ready: Bench) -> None:
    ready.press()
    ready.job.tell(StageProgress("Rolling out", 5, 20, "rollout", 45.0))
    assert "25 % · about 45 s left" in ready.panel.bars.text("Rolling out")
    assert not ready.panel.form.isEnabled()
    assert "kept" in ready.panel.start.toolTip()
    ready.press()
    assert ready.job.stopping
    assert ready.panel.start.text() == "Stopping…"
    store(ready.workspace, "default-none-1", "10")
    ready.job.tell(JobStopped("Stopped after 2 rollouts; they are kept as 'default-none-1'."))
    assert ready.sentences == [("info", "Stopped after 2 rollouts; they are kept as 'default-none-1'.")]
    ready.qtbot.waitUntil(lambda: len(rows(ready.panel.rollouts)) == 2)
    assert ready.panel.start.text() == "Start"


def test_the_end_is_told_and_the_new_evaluation_is_selected(ready: Bench) -> None:
    store(ready.workspace, "older", "1111")
    ready.see(1)
    ready.press()
    store(ready.workspace, "default-none-1", "10")
    result = evaluated("default", [rollout(1, True), rollout(2, False)], interval=(0.1, 0.9))
    ready.job.tell(JobFinished(json.loads(result.to_json())))
    assert ready.sentences == [("info", "default, look none: success 50 (10-90) % over 2 rollouts.")]
    ready.qtbot.waitUntil(lambda: [each.name for each in ready.panel.table.selected] == ["default-none-1"])
    assert not ready.panel.busy


def test_a_failure_is_told_and_it_can_be_started_again(ready: Bench) -> None:
    ready.press()
    ready.job.tell(JobFailed("The disk is full: free some space."))
    assert ready.sentences == [("error", "The disk is full: free some space.")]
    assert ready.panel.start.isEnabled()


def test_evaluations_are_listed_newest_first_and_one_shows_its_rollouts(ready: Bench) -> None:
    store(ready.workspace, "old", "1")
    store(ready.workspace, "new", "101")
    ready.see(2)
    assert [cells[:4] for cells in rows(ready.panel.table)] == [
        ["new", "none", "3", "67 (25-75) %"],
        ["old", "none", "1", "100 (25-75) %"],
    ]
    assert not ready.panel.empty.isVisible()
    assert "Select one" in ready.panel.comparison.text()
    ready.choose("new")
    assert rows(ready.panel.rollouts) == [
        ["✓  success", "10000", "0.6"],
        ["✗  time-out", "10001", "0.6"],
        ["✓  success", "10002", "0.6"],
    ]


def test_two_evaluations_over_the_same_seeds_are_compared(ready: Bench) -> None:
    store(ready.workspace, "one", "1111110")
    store(ready.workspace, "two", "00000010")
    store(ready.workspace, "far", "11", first=500)
    ready.see(3)
    ready.choose("one", "two")
    text = ready.panel.comparison.text()
    assert ready.panel.comparison.isVisible()
    assert "7 shared seeds: both solved 0, only two 1, only one 6, neither 0. p = 0.125" in text
    assert rows(ready.panel.rollouts) == []
    ready.choose("one", "far")
    assert "evaluate both over the same seeds" in ready.panel.comparison.text()
    ready.choose("one")
    assert not ready.panel.comparison.isVisible()


def test_a_rollout_is_watched_with_the_frames_it_followed(ready: Bench) -> None:
    known = {summary.number: summary.fingerprint for summary in ready.model.episodes}
    origin = IndexOrigin(cameras=("wrist",), episodes={1: known[1], 2: "changed since"})
    store(ready.workspace, "mine", "10", index=origin)
    ready.see(1)
    ready.choose("mine")
    assert not ready.panel.view.isVisible()
    ready.double_click(1)
    ready.qtbot.waitUntil(lambda: bool(ready.commands))
    [command] = ready.commands
    assert isinstance(command, StartReplay)
    assert (command.episode.info.seed, command.number, command.kind) == (10_001, None, ReplayKind.STATES)
    assert [near.step for near, _ in command.neighbours] == list(range(TICKS))

    action = recorded.snapshot().action
    status = ReplayStatus(None, 4, TICKS, ReplayKind.STATES)
    snapshot = recorded.snapshot(Mode.REPLAY, Decision(action, tuple(command.neighbours[3])), status)
    ready.panel.show_snapshot(snapshot)
    view = ready.panel.view.view.neighbours
    ready.qtbot.waitUntil(lambda: view.picture(0) is not None)
    picture = view.picture(0)
    assert picture is not None
    assert picture.toImage().pixelColor(0, 0).getRgb()[:3] == recorded.colour(1, 3)
    assert view.picture(1) is None  # of an episode that is not the one the policy had
    assert ready.panel.view.position.text.text() == "Rollout: 0.4 of 0.6 s"
    ready.panel.stop_watching.trigger()
    assert isinstance(ready.commands[-1], StopReplay)


def test_the_replay_of_an_episode_is_none_of_its_business(ready: Bench) -> None:
    ready.panel.show_snapshot(recorded.snapshot(Mode.REPLAY, replay=ReplayStatus(2, 4, 16, ReplayKind.STATES)))
    assert not ready.panel.stop_watching.isEnabled()
    assert not ready.panel.view.isVisible()


def test_a_damaged_rollout_is_told_with_a_way_out(ready: Bench) -> None:
    store(ready.workspace, "mine", "1")
    (ready.workspace.evaluations_folder / "mine" / "rollouts" / "seed-10000.npz").write_bytes(b"cut off")
    ready.see(1)
    ready.choose("mine")
    ready.double_click(0)
    ready.qtbot.waitUntil(lambda: bool(ready.sentences))
    assert ready.sentences[0][0] == "error"
    assert "run the evaluation again" in ready.sentences[0][1]
    assert ready.commands == []


def test_deleted_evaluations_are_brought_back_by_undo(ready: Bench) -> None:
    folder = ready.workspace.evaluations_folder
    store(ready.workspace, "one", "1")
    store(ready.workspace, "two", "11")
    ready.see(2)
    assert not ready.panel.delete.isEnabled()
    ready.choose("one", "two")
    ready.panel.delete.trigger()
    ready.qtbot.waitUntil(ready.panel.empty.isVisible)
    assert list_evaluations(folder) == []
    assert ready.panel.undo_strip.text.text() == "2 evaluations deleted."
    ready.qtbot.mouseClick(ready.panel.undo_strip.button, Qt.MouseButton.LeftButton)
    ready.qtbot.waitUntil(lambda: ready.panel.table.topLevelItemCount() == 2)
    assert not ready.panel.undo_strip.isVisible()
    assert len(list_evaluations(folder)) == 2


def test_in_the_window_a_rollout_plays_in_the_viewport_with_its_decisions(window: MainWindow, qtbot: QtBot) -> None:
    simulation = Simulation(load_task("lift"))
    simulation.reset(77)
    states = [simulation.state()]
    for _ in range(TICKS):
        simulation.step(Action.hold(1.0))
        states.append(simulation.state())
    window.docks.evaluation.raise_()
    played = rollout(77, False, np.stack(states))
    panel = window.evaluation
    panel.view.prepare((), ("wrist",))
    panel.command.emit(StartReplay(played, None, neighbours=played.neighbours))
    qtbot.waitUntil(lambda: panel.view.view.neighbours.neighbours == played.neighbours[-1], timeout=20_000)
    qtbot.waitUntil(lambda: window.overlay.scene.text.startswith("Seed 77"), timeout=20_000)
    assert not window.episodes.position.isVisible()
