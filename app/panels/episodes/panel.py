"""The episodes panel: what has been recorded; replay, delete with undo, add scripted demonstrations."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QItemSelectionModel, QPoint, QSortFilterProxyModel, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QMenu,
    QMessageBox,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.keys import (
    DELETE_EPISODES,
    EMPTY_TRASH,
    MARK_FAILED,
    MARK_SUCCESS,
    REPLAY_ACTIONS,
    REPLAY_STATES,
    UNDO_EPISODES,
)
from app.panels.episodes.list import ROW, SORT, Column, EpisodeDelegate, EpisodeRow, EpisodeTableModel, EpisodeView
from app.panels.episodes.scripted_demonstrations import ScriptedDemonstrations
from app.state.job import Job
from app.state.job_runner import MakeJob
from app.state.workspace import WorkspaceModel
from app.widgets.actions import make_action
from app.widgets.images import make_faint
from app.widgets.panel import Panel
from app.widgets.replay_position import ReplayPosition
from app.widgets.undo_strip import UndoStrip
from app.wording import count
from vinn_core.episodes.episode import Episode
from vinn_core.session.messages import Event, Mode, ReplayFinished, ReplayKind, Snapshot, StartReplay, StopReplay

_SORTINGS = (
    ("Newest first", Column.NUMBER, Qt.SortOrder.DescendingOrder),
    ("Oldest first", Column.NUMBER, Qt.SortOrder.AscendingOrder),
    ("Longest first", Column.LENGTH, Qt.SortOrder.DescendingOrder),
    ("Shortest first", Column.LENGTH, Qt.SortOrder.AscendingOrder),
    ("Failures first", Column.SUCCESS, Qt.SortOrder.AscendingOrder),
    ("By source", Column.SOURCE, Qt.SortOrder.AscendingOrder),
    ("By look", Column.LOOK, Qt.SortOrder.AscendingOrder),
    ("By seed", Column.SEED, Qt.SortOrder.AscendingOrder),
)


class EpisodesPanel(Panel):
    """The recorded episodes of a workspace."""

    command = Signal(object)
    notify = Signal(str, str)

    def __init__(self, workspace: WorkspaceModel, make_job: MakeJob = Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._deleted: list[tuple[int, ...]] = []
        self._pending_replay: int | None = None
        config = workspace.workspace.config

        self.model = EpisodeTableModel(config.cameras)
        self.model.setParent(self)
        self.model.thumbnail_wanted.connect(workspace.request_thumbnail)
        workspace.thumbnail_ready.connect(self.model.set_thumbnail)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self.model)
        self._sorted.setSortRole(SORT)
        self.list = EpisodeView(self)
        self.list.setModel(self._sorted)
        self._delegate = EpisodeDelegate(self.model, self.list)
        self.list.setItemDelegate(self._delegate)
        self.list.selectionModel().selectionChanged.connect(self._select)
        self.list.customContextMenuRequested.connect(self._show_menu)
        self.list.doubleClicked.connect(lambda: self.replay(ReplayKind.STATES))

        self.summary = QLabel(self)
        self.sorting = QComboBox(self)
        self.sorting.setAccessibleName("Sort episodes")
        self.sorting.addItems([name for name, _, _ in _SORTINGS])
        self.sorting.currentIndexChanged.connect(self._sort)
        self._sort(0)

        self.demonstrations = ScriptedDemonstrations(workspace, make_job, self)
        self.demonstrations.notify.connect(self.notify)
        self._make_actions()
        self._lay_out(config.control_hz)
        workspace.episodes_changed.connect(self._show_episodes)
        workspace.selection_changed.connect(self._show_selection)
        workspace.highlight_changed.connect(self._show_highlight)
        self._show_episodes()

    # --- making -----------------------------------------------------------------------------------------------------

    def _make_actions(self) -> None:
        self.replay_states = make_action(REPLAY_STATES, lambda: self.replay(ReplayKind.STATES), self)
        self.replay_actions = make_action(REPLAY_ACTIONS, lambda: self.replay(ReplayKind.ACTIONS), self)
        self.stop_replay = QAction("Stop", self)
        self.stop_replay.triggered.connect(self._stop_replay)
        self.stop_replay.setEnabled(False)
        self.mark_success = make_action(MARK_SUCCESS, lambda: self._mark(True), self)
        self.mark_failed = make_action(MARK_FAILED, lambda: self._mark(False), self)
        self.mark_unknown = QAction("Mark as unknown", self)
        self.mark_unknown.triggered.connect(lambda: self._mark(None))
        self.delete = make_action(DELETE_EPISODES, self._delete, self)
        # These keys belong to the list alone: in the form below they mean something else.
        self.list.addActions(
            [self.replay_states, self.replay_actions, self.mark_success, self.mark_failed, self.delete]
        )
        self.undo = make_action(UNDO_EPISODES, self._undo, self)
        self.undo.setEnabled(False)
        self.addAction(self.undo)
        self.empty_trash = make_action(EMPTY_TRASH, self._ask_before_emptying_trash, self)

    @property
    def menu_actions(self) -> tuple[QAction, ...]:
        return (self.empty_trash,)

    def _lay_out(self, control_hz: float) -> None:
        self._empty = QLabel(
            "No episodes yet.\n\nDrive the arm and record a demonstration, or let the scripted expert add some below.",
            self,
        )
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        make_faint(self._empty)
        self._empty.setContentsMargins(24, 24, 24, 24)
        self._pages = QStackedLayout()
        self._pages.addWidget(self.list)
        self._pages.addWidget(self._empty)

        self.undo_strip = UndoStrip(self.undo, self)
        self.position = ReplayPosition(control_hz, self)
        head = QHBoxLayout()
        head.addWidget(self.summary, 1)
        head.addWidget(self.sorting)
        replay = QHBoxLayout()
        replay.setSpacing(4)
        for action in (self.replay_states, self.replay_actions, self.stop_replay):
            button = QToolButton(self)
            button.setDefaultAction(action)
            button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
            replay.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(head)
        layout.addLayout(self._pages, 1)
        layout.addWidget(self.undo_strip)
        layout.addLayout(replay)
        layout.addWidget(self.position)
        layout.addWidget(self.demonstrations)

    # --- the list ---------------------------------------------------------------------------------------------------

    @property
    def selected(self) -> tuple[int, ...]:
        """Numbers of the selected episodes, in the order shown."""
        rows = sorted(self.list.selectionModel().selectedIndexes(), key=lambda index: index.row())
        summaries = [index.data(ROW).summary for index in rows]
        return tuple(summary.number for summary in summaries if summary)

    def _show_episodes(self) -> None:
        episodes = self._workspace.episodes
        rows = [EpisodeRow(summary.path, summary) for summary in episodes]
        rows += [EpisodeRow(path, None, sentence) for path, sentence in self._workspace.damaged]
        self.model.show(sorted(rows, key=lambda row: row.path.name))
        self._pages.setCurrentIndex(0 if rows or not self._workspace.listed else 1)
        frames, successes = sum(s.length for s in episodes), sum(s.success is True for s in episodes)
        text = f"{count(len(episodes), 'episode')} · {count(frames, 'frame')}\n{count(successes, 'success')}"
        if self._workspace.damaged:
            text += f" · {count(len(self._workspace.damaged), 'damaged file')}"
        self.summary.setText(text if rows else "")
        self._enable()

    def _sort(self, sorting: int) -> None:
        _, column, order = _SORTINGS[sorting]
        self._sorted.sort(column, order)

    def _select(self) -> None:
        selected = self.selected
        if self._workspace.selection not in selected:
            self._workspace.select(selected[0] if selected else None)
        self._enable()

    def _show_selection(self, number: int | None) -> None:
        if number is None or number in self.selected:
            return
        for row in range(self._sorted.rowCount()):
            index = self._sorted.index(row, 0)
            summary = index.data(ROW).summary
            if summary and summary.number == number:
                self.list.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
                self.list.scrollTo(index)

    def _show_highlight(self, number: int | None) -> None:
        self._delegate.highlighted = number
        self.list.viewport().update()

    def _show_menu(self, place: QPoint) -> None:
        if not self.selected and not self.empty_trash.isEnabled():
            return
        menu = QMenu(self)
        menu.addActions([self.replay_states, self.replay_actions])
        menu.addSeparator()
        menu.addActions([self.mark_success, self.mark_failed, self.mark_unknown])
        menu.addSeparator()
        menu.addActions([self.delete, self.empty_trash])
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.list.viewport().mapToGlobal(place))

    def _enable(self) -> None:
        selected = self.selected
        for action in (self.mark_success, self.mark_failed, self.mark_unknown, self.delete):
            action.setEnabled(bool(selected))
        for action in (self.replay_states, self.replay_actions):
            action.setEnabled(len(selected) == 1)
        self.empty_trash.setEnabled(bool(self._workspace.trashed))

    # --- changing ---------------------------------------------------------------------------------------------------

    def _mark(self, success: bool | None) -> None:
        self._workspace.set_success(self.selected, success)

    def _delete(self) -> None:
        numbers = self.selected
        if not numbers:
            return

        def deleted() -> None:
            self._deleted.append(numbers)
            self._offer_undo()

        self._workspace.delete(numbers, deleted)

    def _undo(self) -> None:
        numbers = self._deleted.pop()
        self._offer_undo()
        self._workspace.restore(numbers, lambda: self.notify.emit("info", f"{_named(numbers)} restored."))

    def _offer_undo(self) -> None:
        self.undo.setEnabled(bool(self._deleted))
        self.undo_strip.setVisible(bool(self._deleted))
        if self._deleted:
            self.undo_strip.text.setText(f"{_named(self._deleted[-1])} deleted.")

    def _ask_before_emptying_trash(self) -> None:
        deleted = count(len(self._workspace.trashed), "deleted episode")
        question = QMessageBox(
            QMessageBox.Icon.Warning,
            "Empty the trash?",
            f"Remove {deleted} from the disk for good? This cannot be undone.",
            QMessageBox.StandardButton.Cancel,
            self,
        )
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setDefaultButton(QMessageBox.StandardButton.Cancel)
        remove = question.addButton("Empty trash", QMessageBox.ButtonRole.DestructiveRole)
        remove.clicked.connect(self._empty_trash)
        question.open()

    def _empty_trash(self) -> None:
        def emptied() -> None:
            self._deleted.clear()
            self._offer_undo()

        self._workspace.empty_trash(emptied)

    # --- replay -----------------------------------------------------------------------------------------------------

    def replay(self, kind: ReplayKind) -> None:
        """Play the selected episode in the viewer."""
        if len(self.selected) != 1:
            return
        (number,) = self.selected
        self._pending_replay = number

        def loaded(episode: Episode) -> None:
            if self._pending_replay == number:
                self._pending_replay = None
                self.command.emit(StartReplay(episode, number, kind))

        self._workspace.load_episode(number, loaded)

    def _stop_replay(self) -> None:
        self._pending_replay = None
        self.command.emit(StopReplay())

    def show_snapshot(self, snapshot: Snapshot) -> None:
        replay = snapshot.replay if snapshot.replay and snapshot.replay.number is not None else None
        self.position.show_replay(replay)
        self.stop_replay.setEnabled(snapshot.mode is Mode.REPLAY and replay is not None)

    def handle_event(self, event: Event) -> None:
        if isinstance(event, ReplayFinished) and event.number is not None:
            ended = "the task solved" if event.success else "the task not solved"
            self.notify.emit("info", f"Replay of episode {event.number} ended with {ended}.")

    @property
    def busy(self) -> bool:
        """Whether demonstrations are being added."""
        return self.demonstrations.busy

    def close_jobs(self) -> None:
        self.demonstrations.close_jobs()


def _named(numbers: Sequence[int]) -> str:
    return f"Episode {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} episodes"
