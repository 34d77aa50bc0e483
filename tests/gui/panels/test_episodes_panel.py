from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import recorded
from pretend_job import PretendJob
from PySide6.QtCore import QItemSelectionModel, QPoint, Qt
from PySide6.QtWidgets import QMenu, QMessageBox
from pytestqt.qtbot import QtBot

from app.panels.episodes.list import ROW, EpisodeDelegate
from app.panels.episodes.panel import EpisodesPanel
from app.state.workspace import WorkspaceModel
from vinn_core.config import CollectJob
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import Episode
from vinn_core.progress import JobFailed, JobFinished, JobStopped, StageProgress
from vinn_core.session.messages import Command, Mode, ReplayFinished, ReplayKind, ReplayStatus, StartReplay, StopReplay


class Bench:
    """A panel without a window; `commands` is what it asked of the session."""

    def __init__(self, qtbot: QtBot, model: WorkspaceModel, panel: EpisodesPanel) -> None:
        self.qtbot, self.model, self.panel = qtbot, model, panel
        self.commands: list[Command] = []
        self.sentences: list[tuple[str, str]] = []
        panel.command.connect(self.commands.append)
        panel.notify.connect(lambda level, text: self.sentences.append((level, text)))
        model.notify.connect(lambda level, text: self.sentences.append((level, text)))

    def shown(self) -> list[int | str]:
        """Episode numbers from top to bottom, file names of damaged ones."""
        view = self.panel.list.model()
        rows = [view.index(row, 0).data(ROW) for row in range(view.rowCount())]
        return [row.summary.number if row.summary else row.path.name for row in rows]

    def select(self, *numbers: int) -> None:
        view = self.panel.list.model()
        selection = self.panel.list.selectionModel()
        selection.clearSelection()
        for number in numbers:
            index = view.index(self.shown().index(number), 0)
            selection.setCurrentIndex(index, QItemSelectionModel.SelectionFlag.Select)

    def press(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        self.panel.list.setFocus()
        self.qtbot.keyClick(self.panel.list, key, modifier)

    def wait_until_shown(self, *wanted: int | str) -> None:
        self.qtbot.waitUntil(lambda: self.shown() == list(wanted))

    def file(self, number: int) -> Path:
        return self.model.workspace.episodes_folder / f"{number:06}.hdf5"


@pytest.fixture
def bench(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []
    PretendJob.made = []

    def make(episodes: Sequence[Episode], damaged: str = "") -> Bench:
        workspace = recorded.make_workspace(tmp_path / "w", episodes)
        if damaged:
            (workspace.episodes_folder / damaged).write_bytes(b"no HDF5")
        model = WorkspaceModel(workspace)
        panel = EpisodesPanel(model, PretendJob)  # type: ignore[arg-type]
        qtbot.addWidget(panel)
        panel.resize(380, 700)
        with qtbot.waitActive(panel):
            panel.show()
            panel.activateWindow()
        with qtbot.waitSignal(model.episodes_changed):
            model.refresh()
        made.append(Bench(qtbot, model, panel))
        return made[-1]

    yield make
    for each in made:
        each.model.close()
        each.model.workspace.close()


@pytest.fixture
def three(bench: Callable[..., Bench]) -> Bench:
    return bench(
        [
            recorded.episode(1, success=True, length=8),
            recorded.episode(2, success=False, length=16),
            recorded.episode(3, success=None, length=12),
        ]
    )


def test_no_episodes_says_what_to_do_next(bench: Callable[..., Bench]) -> None:
    panel = bench([]).panel
    assert "record a demonstration" in panel._empty.text()
    assert panel._empty.isVisible()
    assert not panel.delete.isEnabled()


def test_episodes_are_counted(three: Bench) -> None:
    assert three.panel.summary.text() == "3 episodes · 36 frames\n1 success"


def test_episodes_are_sorted_as_chosen(three: Bench) -> None:
    assert three.shown() == [3, 2, 1]
    three.panel.sorting.setCurrentText("Longest first")
    assert three.shown() == [2, 3, 1]
    three.panel.sorting.setCurrentText("Oldest first")
    assert three.shown() == [1, 2, 3]


def test_each_episode_shows_the_middle_frame_of_both_cameras(three: Bench) -> None:
    three.qtbot.waitUntil(lambda: three.panel.model.thumbnail(1, "front") is not None)
    wrist, front = (three.panel.model.thumbnail(1, camera) for camera in ("wrist", "front"))
    assert wrist is not None
    assert front is not None
    assert wrist.toImage().pixelColor(0, 0).getRgb()[:3] == recorded.colour(1, 4)
    assert front.toImage().pixelColor(0, 0).getRgb()[:3] == recorded.colour(1, 4)[::-1]


def test_damaged_files_are_listed_with_what_is_wrong(bench: Callable[..., Bench]) -> None:
    made = bench([recorded.episode(1)], damaged="000002.hdf5")
    assert made.shown() == [1, "000002.hdf5"]
    broken = made.panel.list.model().index(1, 0).data(ROW)
    assert "000002" in broken.problem
    assert "damaged file" in made.panel.summary.text()


def test_deleting_and_undoing_brings_the_file_back(three: Bench) -> None:
    before = three.file(2).read_bytes()
    three.select(2)
    three.press(Qt.Key.Key_Delete)
    three.wait_until_shown(3, 1)
    assert not three.file(2).exists()
    assert three.panel.undo_strip.isVisible()
    three.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    three.wait_until_shown(3, 2, 1)
    assert three.file(2).read_bytes() == before
    assert not three.panel.undo_strip.isVisible()


def test_several_deletions_are_undone_newest_first_by_the_button(three: Bench) -> None:
    three.select(1, 2)
    three.panel.delete.trigger()
    three.wait_until_shown(3)
    three.select(3)
    three.panel.delete.trigger()
    three.wait_until_shown()
    for remaining in ((3,), (3, 2, 1)):
        three.qtbot.mouseClick(three.panel.undo_strip.button, Qt.MouseButton.LeftButton)
        three.wait_until_shown(*remaining)


def answer(panel: EpisodesPanel, text: str) -> None:
    """Press a button of the question that is being asked."""
    (box,) = panel.findChildren(QMessageBox)
    next(button for button in box.buttons() if button.text().replace("&", "") == text).click()


def test_the_trash_is_emptied_only_after_asking_and_then_nothing_can_be_undone(three: Bench) -> None:
    panel = three.panel
    assert not panel.empty_trash.isEnabled()
    three.select(1, 2)
    panel.delete.trigger()
    three.wait_until_shown(3)
    assert panel.empty_trash.isEnabled()
    assert panel.empty_trash in panel.menu_actions
    panel.empty_trash.trigger()
    (box,) = panel.findChildren(QMessageBox)
    assert "2 deleted episodes" in box.text()
    answer(panel, "Cancel")
    three.qtbot.waitUntil(lambda: not panel.findChildren(QMessageBox))
    assert Dataset(three.model.workspace).trashed() == [1, 2]
    assert panel.undo.isEnabled()

    panel.empty_trash.trigger()
    answer(panel, "Empty trash")
    three.qtbot.waitUntil(lambda: three.model.trashed == ())
    assert Dataset(three.model.workspace).trashed() == []
    assert not panel.empty_trash.isEnabled()
    assert not panel.undo.isEnabled()
    assert not panel.undo_strip.isVisible()
    assert three.shown() == [3]


def test_the_context_menu_offers_to_empty_the_trash(three: Bench) -> None:
    three.select(1)
    three.panel.delete.trigger()
    three.wait_until_shown(3, 2)
    three.panel.list.clearSelection()
    three.panel.list.customContextMenuRequested.emit(QPoint(5, 5))
    (menu,) = three.panel.findChildren(QMenu)
    assert three.panel.empty_trash in menu.actions()
    assert [action.isEnabled() for action in menu.actions() if action.text() == "Delete"] == [False]
    menu.close()


def test_the_person_overrules_success_by_key(three: Bench) -> None:
    def success(number: int) -> bool | None:
        summary = three.model.summary(number)
        return summary.success if summary else None

    three.select(2)
    three.press(Qt.Key.Key_Plus)
    three.qtbot.waitUntil(lambda: success(2) is True)
    three.press(Qt.Key.Key_Minus)
    three.qtbot.waitUntil(lambda: success(2) is False)
    three.panel.mark_unknown.trigger()
    three.qtbot.waitUntil(lambda: success(2) is None)
    assert three.panel.selected == (2,)


@pytest.mark.parametrize(
    ("button", "kind"), [("replay_states", ReplayKind.STATES), ("replay_actions", ReplayKind.ACTIONS)]
)
def test_replay_sends_the_selected_episode(three: Bench, button: str, kind: ReplayKind) -> None:
    three.select(2)
    getattr(three.panel, button).trigger()
    three.qtbot.waitUntil(lambda: bool(three.commands))
    (command,) = three.commands
    assert isinstance(command, StartReplay)
    assert (command.number, command.kind, len(command.episode)) == (2, kind, 16)


def test_replay_needs_exactly_one_episode(three: Bench) -> None:
    assert not three.panel.replay_states.isEnabled()
    three.select(1)
    assert three.panel.replay_states.isEnabled()
    three.select(1, 2)
    assert not three.panel.replay_states.isEnabled()


def test_the_position_follows_the_replay_and_goes_with_it(three: Bench) -> None:
    status = ReplayStatus(2, 4, 16, ReplayKind.STATES)
    three.panel.show_snapshot(recorded.snapshot(Mode.REPLAY, replay=status))
    assert (three.panel.position.bar.value(), three.panel.position.bar.maximum()) == (4, 16)
    assert "0.4 of 1.6 s" in three.panel.position.text.text()
    three.panel.stop_replay.trigger()
    assert three.commands == [StopReplay()]
    three.panel.show_snapshot(recorded.snapshot())
    assert not three.panel.position.isVisible()
    three.panel.handle_event(ReplayFinished(2, True))
    assert "episode 2" in three.sentences[-1][1]


def test_an_episode_that_cannot_be_loaded_is_explained(three: Bench) -> None:
    three.select(2)
    three.file(2).write_bytes(b"no HDF5")
    three.panel.replay_states.trigger()
    three.qtbot.waitUntil(lambda: bool(three.sentences))
    assert three.sentences[0][0] == "error"
    assert three.commands == []


def test_selecting_elsewhere_selects_in_the_list(three: Bench) -> None:
    three.model.select(1)
    assert three.panel.selected == (1,)
    three.select(3)
    assert three.model.selection == 3


def test_pointing_elsewhere_highlights_in_the_list(three: Bench) -> None:
    three.model.highlight(2)
    delegate = three.panel.list.itemDelegate()
    assert isinstance(delegate, EpisodeDelegate)
    assert delegate.highlighted == 2


def test_an_episode_recorded_meanwhile_appears_and_the_selection_stays(three: Bench) -> None:
    three.select(2)
    save_episode(three.model.workspace.episodes_folder, recorded.episode(4))
    three.model.refresh()
    three.wait_until_shown(4, 3, 2, 1)
    assert three.panel.selected == (2,)


def test_scripted_demonstrations_are_asked_for_as_set_in_the_form(three: Bench) -> None:
    panel, qtbot = three.panel, three.qtbot
    qtbot.mouseClick(panel.demonstrations.add, Qt.MouseButton.LeftButton)
    fields = panel.demonstrations.form.fields
    assert {name: field.value for name, field in fields.items()} == {
        "episodes": 50,
        "noise": 1.0,
        "seed": 4,
        "look": "none",
    }
    for name, value in {"episodes": 7, "noise": 0.5, "look": "varied"}.items():
        fields[name].set_value(value)
    qtbot.mouseClick(panel.demonstrations.form.start, Qt.MouseButton.LeftButton)
    (job,) = PretendJob.made
    assert job.started
    assert (job.command, job.workspace_folder) == ("collect", three.model.workspace.path)
    assert job.config == CollectJob(look="varied", episodes=7, seed=4, noise=0.5)
    assert job.understood() == job.config
    assert not panel.demonstrations.add.isEnabled()


def test_progress_of_scripted_demonstrations_is_shown_until_they_are_there(three: Bench) -> None:
    three.panel.demonstrations.form.accepted.emit()
    (job,) = PretendJob.made
    job.tell(StageProgress("Collecting", 10, 40, "episode", 90.0))
    assert three.panel.demonstrations.bars.bar("Collecting").value() == 250
    assert "25 % · about 2 min left" in three.panel.demonstrations.bars.text("Collecting")
    save_episode(three.model.workspace.episodes_folder, recorded.episode(4))
    job.tell(JobFinished({}))
    three.wait_until_shown(4, 3, 2, 1)
    assert three.panel.demonstrations.add.isEnabled()
    assert not three.panel.demonstrations.bars.isVisible()


def test_cancelling_scripted_demonstrations_stops_the_job_and_keeps_what_is_there(three: Bench) -> None:
    three.panel.demonstrations.form.accepted.emit()
    (job,) = PretendJob.made
    three.qtbot.mouseClick(three.panel.demonstrations.cancel, Qt.MouseButton.LeftButton)
    assert job.stopping
    assert not three.panel.demonstrations.cancel.isEnabled()
    job.tell(JobStopped("Stopped after 3 demonstrations; they are kept."))
    assert three.sentences[-1] == ("info", "Stopped after 3 demonstrations; they are kept.")
    assert not three.panel.busy


def test_a_failed_job_says_why(three: Bench) -> None:
    three.panel.demonstrations.form.accepted.emit()
    PretendJob.made[0].tell(JobFailed("The disk is full: free some space."))
    assert three.sentences[-1] == ("error", "The disk is full: free some space.")
    assert three.panel.demonstrations.add.isEnabled()
