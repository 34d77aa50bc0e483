from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import recorded
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from app.panels.policy.panel import PolicyPanel
from app.state.autopilot import AfterRun
from app.state.frame_cache import FrameCache
from app.state.policy_loader import PolicyLoader
from app.state.workspace import WorkspaceModel
from vinn_core.config import PolicyConfig
from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Action
from vinn_core.errors import EmbeddingIndexError
from vinn_core.session.messages import (
    AutonomousEnded,
    AutonomousStarted,
    Command,
    CommandRefused,
    Mode,
    RecordingFinished,
    RecordingStarted,
    ResetScene,
    RunEnd,
    SetPolicy,
    StartAutonomous,
    StartRecording,
    StopAutonomous,
    StopRecording,
)
from vinn_core.session.policy import Decision, Neighbour
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]


class PretendPolicy:
    """What the panel needs of a VinnPolicy; every second step has the gripper closed."""

    cameras = ("wrist",)

    def __init__(self, workspace: Workspace) -> None:
        fingerprints = {summary.number: summary.fingerprint for summary in Dataset(workspace).summaries()}
        self.config = PolicyConfig(5, 0.1)
        steps = np.tile(np.arange(recorded.LENGTH, dtype=np.int32), 3)
        actions = np.zeros((len(steps), 7), np.float32)
        actions[:, 6] = steps % 2 == 0
        self.index = SimpleNamespace(
            episodes=np.repeat(np.array([1, 2, 3], np.int32), recorded.LENGTH),
            steps=steps,
            actions=actions,
            info=SimpleNamespace(encoder="default", episodes=fingerprints),
        )


class Bench:
    """A panel without a window; `commands` is what it asked of the session."""

    def __init__(self, qtbot: QtBot, model: WorkspaceModel, panel: PolicyPanel) -> None:
        self.qtbot, self.model, self.panel = qtbot, model, panel
        self.commands: list[Command] = []
        self.sentences: list[str] = []
        panel.command.connect(self.commands.append)
        panel.notify.connect(lambda level, text: self.sentences.append(text))

    def load(self) -> None:
        self.panel.load()
        self.qtbot.waitUntil(lambda: self.panel.autonomous_action.isEnabled())

    def decide(self, *neighbours: Neighbour) -> None:
        decision = Decision(Action(np.full(6, 0.1, np.float32), 1.0), neighbours)
        self.panel.show_snapshot(recorded.snapshot(Mode.AUTONOMOUS, decision))

    def shown(self, place: int) -> tuple[int, ...]:
        """The colour of cell `place`, once it is there."""
        view = self.panel.view.neighbours
        self.qtbot.waitUntil(lambda: view.picture(place) is not None)
        picture = view.picture(place)
        assert picture is not None
        return picture.toImage().pixelColor(0, 0).getRgb()[:3]  # type: ignore[return-value]

    def kinds(self) -> list[str]:
        return [type(command).__name__ for command in self.commands]


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []
    frames = FrameCache()

    def make(load: Callable[..., object] | None = None, index: bool = True) -> Bench:
        workspace = recorded.make_workspace(tmp_path / "w", [recorded.episode(number) for number in (1, 2, 3)])
        if index:
            recorded.write_index(workspace)
        model = WorkspaceModel(workspace)
        with qtbot.waitSignal(model.indexes_changed):
            model.refresh()
        loader = PolicyLoader(workspace, load or (lambda workspace, name: PretendPolicy(workspace)))  # type: ignore[arg-type]
        panel = PolicyPanel(model, frames, loader=loader, load_delay_ms=10_000)
        qtbot.addWidget(panel)
        panel.resize(340, 900)
        panel.show()
        made.append(Bench(qtbot, model, panel))
        return made[-1]

    yield make
    for each in made:
        each.panel.close_jobs()
        frames.close()
        each.model.close()
        each.model.workspace.close()


def test_without_an_index_the_toggle_is_disabled_and_says_what_to_do(bench: Callable[..., Bench]) -> None:
    panel = bench(index=False).panel
    assert not panel.autonomous_action.isEnabled()
    assert "Train & index" in panel.autonomous_action.toolTip()
    assert "Train & index" in panel.status.text()


def test_an_index_is_loaded_by_itself_and_handed_to_the_session(bench: Callable[..., Bench], qtbot: QtBot) -> None:
    made = bench()
    made.panel._load_later.setInterval(0)
    made.model.indexes_changed.emit()
    qtbot.waitUntil(lambda: made.panel.autonomous_action.isEnabled())
    assert isinstance(made.commands[0], SetPolicy)
    assert "36 frames of 3 episodes" in made.panel.status.text()


def test_a_refused_index_shows_why_and_offers_to_rebuild_it(bench: Callable[..., Bench], qtbot: QtBot) -> None:
    sentence = "The index belongs to another encoder than the present 'default': rebuild the index."

    def refuse(workspace: object, name: str) -> None:
        raise EmbeddingIndexError(sentence)

    made = bench(refuse)
    made.panel.load()
    qtbot.waitUntil(lambda: made.panel.rebuild.isVisible())
    assert made.panel.status.text() == sentence
    assert not made.panel.autonomous_action.isEnabled()
    with qtbot.waitSignal(made.model.index_requested):
        qtbot.mouseClick(made.panel.rebuild, Qt.MouseButton.LeftButton)


def test_an_unexpected_error_while_loading_is_one_sentence(bench: Callable[..., Bench], qtbot: QtBot) -> None:
    def break_down(workspace: object, name: str) -> None:
        raise RuntimeError("libtorch is missing")

    made = bench(break_down)
    made.panel.load()
    qtbot.waitUntil(lambda: made.panel.rebuild.isVisible())
    assert "libtorch is missing" in made.panel.status.text()
    assert "\n" not in made.panel.status.text()


def test_neighbour_frames_are_those_of_the_snapshot_and_change_with_it(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.decide(Neighbour(1, 3, 0.2, 0.7), Neighbour(3, 5, 0.4, 0.3))
    assert [made.shown(0), made.shown(1)] == [recorded.colour(1, 3), recorded.colour(3, 5)]
    made.decide(Neighbour(2, 8, 0.1, 0.6), Neighbour(1, 4, 0.2, 0.4))
    assert [made.shown(0), made.shown(1)] == [recorded.colour(2, 8), recorded.colour(1, 4)]


def test_every_neighbour_has_room_at_any_width(bench: Callable[..., Bench], qtbot: QtBot) -> None:
    made = bench()
    made.load()
    made.decide(*(Neighbour(1, step % 12, 0.1, 1 / 20) for step in range(20)))
    view = made.panel.view.neighbours
    for width in (300, 420, 700):
        made.panel.resize(width, 900)
        qtbot.waitUntil(lambda: view.height() >= view.cell(19).bottom())
        assert all(view.cell(place).right() <= view.width() for place in range(20))


def test_pointing_at_a_neighbour_highlights_its_episode_and_a_click_selects_it(
    bench: Callable[..., Bench], qtbot: QtBot
) -> None:
    made = bench()
    made.load()
    made.decide(Neighbour(1, 3, 0.2, 0.7), Neighbour(3, 5, 0.4, 0.3))
    view = made.panel.view.neighbours
    view.resize(300, view.heightForWidth(300))
    with qtbot.waitSignal(made.model.highlight_changed, check_params_cb=lambda number: number == 3):
        qtbot.mouseMove(view, view.cell(1).center())
    qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.cell(1).center() + QPoint(2, 2))
    assert made.model.selection == 3


def test_k_and_temperature_reach_the_policy_at_once_and_are_remembered(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    policy = made.panel.policy
    assert policy is not None
    assert (made.panel.neighbours.value, made.panel.temperature.value) == (5, 0.1)
    made.panel.neighbours.slider.setValue(made.panel.neighbours.slider.maximum())
    made.panel.temperature.field.setValue(0.5)
    made.panel.regression.setCurrentIndex(made.panel.regression.findData("mean"))
    made.panel.regression.activated.emit(made.panel.regression.currentIndex())
    made.panel.nearness.setCurrentIndex(made.panel.nearness.findData("euclidean"))
    made.panel.nearness.activated.emit(made.panel.nearness.currentIndex())
    assert policy.config == PolicyConfig(20, 0.5, metric="euclidean", regression="mean")
    made.load()
    made.qtbot.waitUntil(lambda: made.panel.policy is not policy)
    assert made.panel.policy is not None
    assert made.panel.policy.config == PolicyConfig(20, 0.5, metric="euclidean", regression="mean")
    assert made.panel.regression.currentText() == "Weighted mean (paper)"
    assert made.panel.nearness.currentText() == "Euclidean distance (paper)"


def test_adjustments_can_be_taken_back_to_what_the_index_suggests(bench: Callable[..., Bench], qtbot: QtBot) -> None:
    made = bench()
    made.load()
    assert made.panel.defaults.isHidden()
    made.panel.neighbours.field.setValue(9)
    made.panel.regression.activated.emit(0)
    qtbot.mouseClick(made.panel.defaults, Qt.MouseButton.LeftButton)
    assert made.panel.policy is not None
    assert made.panel.policy.config == PolicyConfig(5, 0.1)
    assert made.panel.neighbours.value == 5


def test_the_temperature_slider_is_logarithmic(bench: Callable[..., Bench]) -> None:
    temperature = bench(index=False).panel.temperature
    temperature.slider.setValue(temperature.slider.maximum() // 2)
    assert temperature.value == pytest.approx((0.01 * 2.0) ** 0.5, abs=0.01)
    temperature.slider.setValue(0)
    assert temperature.value == pytest.approx(0.01)


def test_the_toggle_gives_the_arm_and_takes_it_back(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.panel.autonomous_action.trigger()
    assert isinstance(made.commands[-1], StartAutonomous)
    made.panel.handle_event(AutonomousStarted(4))
    assert made.panel.autonomous_action.isChecked()
    made.panel.autonomous_action.trigger()
    assert isinstance(made.commands[-1], StopAutonomous)
    made.panel.handle_event(AutonomousEnded(RunEnd.STOPPED, 12))
    assert not made.panel.autonomous_action.isChecked()


def test_a_refused_start_releases_the_toggle(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.panel.autonomous_action.trigger()
    made.panel.handle_event(CommandRefused("There is no policy yet."))
    assert not made.panel.autonomous_action.isChecked()


def test_outcomes_are_listed_and_counted(bench: Callable[..., Bench]) -> None:
    panel = bench(index=False).panel
    for seed, reason in enumerate((RunEnd.SUCCESS, RunEnd.TIME_OUT, RunEnd.SUCCESS, RunEnd.STOPPED)):
        panel.handle_event(AutonomousStarted(seed))
        panel.handle_event(AutonomousEnded(reason, 42))
    assert panel.runs.counts.text() == "2 of 3 succeeded"
    assert [panel.runs.list.item(row).text().split("  ")[1] for row in range(4)] == [
        "stopped after 4.2 s · seed 3",
        "success after 4.2 s · seed 2",
        "time-out after 4.2 s · seed 1",
        "success after 4.2 s · seed 0",
    ]


def test_a_recorded_run_is_recorded_from_its_start_to_its_end(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.commands.clear()
    made.panel.record_runs.setChecked(True)
    made.panel.autonomous_action.trigger()
    assert made.kinds() == ["StartRecording", "StartAutonomous"]
    made.panel.handle_event(RecordingStarted(0))
    made.panel.handle_event(AutonomousStarted(0))
    made.panel.handle_event(AutonomousEnded(RunEnd.TIME_OUT, 200))
    assert made.commands[-1] == StopRecording()


def test_taking_over_a_recorded_run_keeps_recording_until_the_policy_ends_it(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.panel.record_runs.setChecked(True)
    made.panel.autonomous_action.trigger()
    made.panel.handle_event(RecordingStarted(0))
    made.panel.handle_event(AutonomousStarted(0))
    made.commands.clear()
    made.panel.handle_event(AutonomousEnded(RunEnd.TAKEN_OVER, 20))
    assert made.commands == []
    assert "You took over" in made.sentences[-1]
    made.panel.autonomous_action.trigger()
    assert made.kinds() == ["StartAutonomous"]
    made.panel.handle_event(AutonomousStarted(0))
    made.panel.handle_event(AutonomousEnded(RunEnd.SUCCESS, 30))
    assert made.kinds() == ["StartAutonomous", "StopRecording"]


def test_going_on_resets_to_the_next_seed_and_stays_on(bench: Callable[..., Bench], qtbot: QtBot) -> None:
    made = bench()
    made.load()
    made.panel.autopilot._again.setInterval(0)
    made.panel.after_run.setCurrentIndex(made.panel.after_run.findData(AfterRun.GO_ON))
    made.panel.autonomous_action.trigger()
    made.panel.handle_event(AutonomousStarted(7))
    made.panel.handle_event(AutonomousEnded(RunEnd.SUCCESS, 30))
    assert made.panel.autonomous_action.isChecked()
    qtbot.waitUntil(lambda: made.commands[-2:] == [ResetScene(8), StartAutonomous()])
    made.panel.handle_event(AutonomousStarted(8))
    made.panel.handle_event(AutonomousEnded(RunEnd.TAKEN_OVER, 3))
    assert not made.panel.autonomous_action.isChecked()
    assert not made.panel.autopilot._again.isActive()


def test_reset_after_a_run_starts_the_same_seed_afresh(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.panel.after_run.setCurrentIndex(made.panel.after_run.findData(AfterRun.RESET))
    made.panel.autonomous_action.trigger()
    made.panel.handle_event(AutonomousStarted(7))
    made.panel.handle_event(AutonomousEnded(RunEnd.TIME_OUT, 30))
    assert made.commands[-1] == ResetScene(7)
    assert not made.panel.autonomous_action.isChecked()


def test_a_solved_scene_is_reset_before_the_policy_gets_it(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.panel.show_snapshot(recorded.snapshot(seed=3, succeeded=True))
    made.panel.autonomous_action.trigger()
    assert made.commands[-2:] == [ResetScene(4), StartAutonomous()]


def test_a_recording_by_the_person_is_left_alone(bench: Callable[..., Bench]) -> None:
    made = bench()
    made.load()
    made.panel.record_runs.setChecked(True)
    made.panel.handle_event(RecordingStarted(0))
    made.panel.autonomous_action.trigger()
    made.panel.handle_event(AutonomousStarted(0))
    made.panel.handle_event(AutonomousEnded(RunEnd.SUCCESS, 30))
    assert StartRecording() not in made.commands
    assert StopRecording() not in made.commands
    made.panel.handle_event(RecordingFinished(object(), 30, True))


def test_a_new_policy_waits_until_the_running_one_has_ended(bench: Callable[..., Bench], qtbot: QtBot) -> None:
    made = bench()
    made.load()
    first = made.panel.policy
    made.panel.autonomous_action.trigger()
    made.panel.handle_event(AutonomousStarted(0))
    with qtbot.waitSignal(made.panel._loader.loaded):
        made.panel.load()
    assert made.panel.policy is first
    made.panel.handle_event(AutonomousEnded(RunEnd.SUCCESS, 30))
    assert made.panel.policy is not first
    assert isinstance(made.commands[-1], SetPolicy)


def test_the_panels_are_imported_without_what_is_slow_to_load() -> None:
    check = (
        "import sys, app.panels.episodes.panel, app.panels.training.panel, app.panels.policy.panel\n"
        "print(*{'torch', 'torchvision', 'pyqtgraph', 'h5py', 'annoy', 'mink'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""
