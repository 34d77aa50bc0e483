"""The main window: puts viewport, panels, session and workspace together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QCoreApplication, QEvent, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QDesktopServices, QShowEvent
from PySide6.QtWidgets import (
    QLabel,
    QMainWindow,
    QMessageBox,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app.keys import (
    ABOUT,
    NEW_WORKSPACE,
    OPEN_LOG,
    OPEN_WORKSPACE,
    QUIT,
    RESET_LAYOUT,
    SHOW_SHORTCUTS,
    STOP,
)
from app.panels.cameras import CamerasPanel
from app.panels.driving.record import RecordPanel
from app.panels.driving.teleop import TeleopPanel
from app.panels.episodes.panel import EpisodesPanel
from app.panels.evaluation.panel import EvaluationPanel
from app.panels.policy.panel import PolicyPanel
from app.panels.training.panel import TrainingPanel
from app.state.episode_store import EpisodeStore
from app.state.frame_cache import FrameCache
from app.state.held_keys import HeldKeys
from app.state.session_thread import SessionThread, make_session
from app.state.workspace import WorkspaceModel
from app.viewport.mirror import SceneMirror
from app.viewport.offscreen import OffscreenViewport
from app.viewport.overlay import Overlay
from app.viewport.widget import Viewport, opengl_missing
from app.widgets.actions import make_action
from app.widgets.panel import Panel
from app.window.docks import Docks
from app.window.menus import by_id, make_menus, make_recent, make_toolbar
from app.window.notifications import Notifications, Remedy
from app.window.settings import restore_settings, save_settings
from app.window.shortcuts_dialog import ShortcutsDialog
from app.window.status_line import StatusLine
from app.window.view_actions import ViewActions
from app.wording import count
from vinn_core import __version__
from vinn_core.session.messages import (
    Command,
    CommandRefused,
    Event,
    RecordingDiscarded,
    RecordingFinished,
    SetPerturb,
    StopAutonomous,
    StopReplay,
)
from vinn_core.session.teleop import TeleopInput
from vinn_core.world.tasks import load_task

if TYPE_CHECKING:
    from vinn_core.episodes.recorder import FinishedRecording
    from vinn_core.session.loop import Session
    from vinn_core.workspace import Workspace

logger = logging.getLogger(__name__)

_FIRST_SIZE = (1280, 800)


class MainWindow(QMainWindow):
    """One open workspace. Owns the workspace: closing the window closes it.

    Args:
        workspace: opened, locked.
        recent: folders for the File menu.
        find_opengl_problem: replaced in tests.
        make_session: replaced in tests.
        store: replaced in tests.

    Raises:
        SceneError: the scene of the task cannot be loaded.
    """

    new_workspace_wanted = Signal()
    open_workspace_wanted = Signal()
    workspace_wanted = Signal(object)
    """Path of a workspace to open instead."""
    closed = Signal()

    def __init__(
        self,
        workspace: Workspace,
        recent: Sequence[Path] = (),
        *,
        find_opengl_problem: Callable[[], str | None] = opengl_missing,
        make_session: Callable[..., Session] = make_session,
        store: EpisodeStore | None = None,
    ) -> None:
        super().__init__()
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._core_workspace = workspace
        config = workspace.config
        task = load_task(config.task)
        self.setWindowTitle(f"{workspace.path.name} - VINN Workbench")
        self.workspace = WorkspaceModel(workspace, self)
        self.held = HeldKeys(self)
        self.store = store or EpisodeStore(workspace, self)
        self.session = SessionThread(
            config, seed=0, make_recorder=self.store.make_recorder, make_session=make_session, parent=self
        )
        self._started = False
        self._closing = False

        problem = find_opengl_problem()
        period_s = 1.0 / config.control_hz
        self.viewport: Viewport | OffscreenViewport
        if problem is None:
            self.viewport = Viewport(SceneMirror(task, period_s))
        else:
            self.viewport = OffscreenViewport(task, period_s)
        self.overlay = Overlay(self.viewport, config.control_hz)
        self.notifications = Notifications()
        self.frames = FrameCache(parent=self)
        self.teleop = TeleopPanel(self.held)
        self.record = RecordPanel(task.hint, config.look, config.control_hz)
        self.cameras = CamerasPanel(config.cameras)
        self.episodes = EpisodesPanel(self.workspace)
        self.training = TrainingPanel(self.workspace)
        self.policy = PolicyPanel(self.workspace, self.frames)
        self.evaluation = EvaluationPanel(self.workspace, self.frames)
        self._panels: tuple[Panel, ...] = (
            *(self.teleop, self.record, self.cameras),
            *(self.episodes, self.training, self.policy, self.evaluation),
        )
        self.status_line = StatusLine(self.statusBar(), config.control_hz)

        self._lay_out()
        self._make_menus(recent)
        self._connect()
        self.resize(*_FIRST_SIZE)
        restore_settings(self, self._panels)
        if problem is not None:
            self.status_line.show_drawing("Offscreen pictures")
            self.notifications.show_message(
                "warning",
                f"The viewport shows pictures from fixed cameras, because {problem}; mouse control of the view is off. "
                "Install a graphics driver, or Mesa (on Debian: libgl1-mesa-dri), and start again.",
            )

    # --- making -------------------------------------------------------------------------------------------------------

    def _make_menus(self, recent: Sequence[Path]) -> None:
        view = ViewActions(self.viewport, self)
        self.camera_actions = view.cameras
        own = (
            make_action(NEW_WORKSPACE, self.new_workspace_wanted.emit, self),
            make_action(OPEN_WORKSPACE, self.open_workspace_wanted.emit, self),
            make_action(QUIT, self.close, self),
            make_action(STOP, self.stop_everything, self),
            make_action(RESET_LAYOUT, self.reset_layout, self),
            make_action(SHOW_SHORTCUTS, self.show_shortcuts, self),
            make_action(OPEN_LOG, self.open_log_folder, self),
            make_action(ABOUT, self.show_about, self),
        )
        actions = by_id([*own, view.reset, *(action for panel in self._panels for action in panel.menu_actions)])
        self.addActions(list(actions.values()))  # their keys count also while a dock or the menu bar is hidden
        make_menus(
            self.menuBar(),
            actions,
            recent=make_recent(recent, self.workspace_wanted.emit, self),
            view=view,
            docks=self.docks,
        )
        self.addToolBar(make_toolbar(actions, view))

    def _lay_out(self) -> None:
        centre = QWidget()
        column = QVBoxLayout(centre)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.notifications)
        self._pages = QStackedLayout()
        column.addLayout(self._pages, 1)  # before it gets pages: it shows the first, which must have a parent by then
        self._pages.addWidget(self.viewport)
        self._broken = QLabel()
        self._broken.setWordWrap(True)
        self._broken.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._broken.setMargin(40)
        self._broken.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._pages.addWidget(self._broken)
        self.setCentralWidget(centre)

        driving = QWidget()
        both = QVBoxLayout(driving)
        both.setContentsMargins(0, 0, 0, 0)
        both.setSpacing(0)
        both.addWidget(self.teleop)
        both.addWidget(self.record)
        driving.setMaximumHeight(driving.sizeHint().height())  # the list of episodes needs the room more
        self.docks = Docks(
            self,
            driving=driving,
            episodes=self.episodes,
            cameras=self.cameras,
            policy=self.policy,
            training=self.training,
            evaluation=self.evaluation,
        )

    def _connect(self) -> None:
        self.session.snapshot_ready.connect(self._show_snapshot)
        self.session.event_happened.connect(self._handle_event)
        self.session.failed.connect(self._show_failure)
        self.held.changed.connect(self._tell_held)
        self.held.all_released.connect(self.session.release_all)
        self.teleop.changed.connect(self._tell_held)
        self.teleop.gripper_toggled.connect(self.session.toggle_gripper)
        self.viewport.camera_moved.connect(self._tell_held)
        if isinstance(self.viewport, Viewport):
            self.viewport.perturbed.connect(lambda perturb: self.send(SetPerturb(perturb)))
            self.viewport.selected.connect(self.overlay.show_selection)
            self.viewport.drawing_began.connect(self._show_drawing)
        self.store.notify.connect(self.notifications.show_message)
        self.store.changed.connect(self.workspace.refresh)
        self.workspace.notify.connect(self.notifications.show_message)
        for panel in (self.record, self.episodes, self.policy, self.evaluation):
            panel.command.connect(self.send)
        for panel in (self.episodes, self.training, self.policy, self.evaluation):
            panel.notify.connect(self.notifications.show_message)
        self._tell_held()

    # --- session and panels -------------------------------------------------------------------------------------------

    def send(self, command: Command) -> None:
        """Have the session carry out `command`."""
        self.session.send(command)

    def stop_everything(self) -> None:
        """Autonomous run, replay and arm."""
        self.held.release_all()
        self.policy.autopilot.stop()
        self.send(StopAutonomous())
        self.send(StopReplay())
        self.send(SetPerturb(None))
        self.viewport.setFocus()

    def _tell_held(self) -> None:
        self.session.hold(
            TeleopInput(
                moves=self.held.moves,
                frame=self.teleop.frame,
                speed=self.teleop.speed,
                camera_in_world=self.viewport.camera_in_world(),
            )
        )

    def _show_snapshot(self) -> None:
        snapshot = self.session.take_snapshot()
        if snapshot is None:
            return
        self.viewport.show_snapshot(snapshot)
        self.overlay.show_snapshot(snapshot)
        for panel in self._panels:
            panel.show_snapshot(snapshot)
        pacing = self.session.pacing
        self.record.show_pacing(pacing)
        self.status_line.show(snapshot, pacing)

    def _handle_event(self, event: Event) -> None:
        for panel in self._panels:
            panel.handle_event(event)
        match event:
            case CommandRefused(text):
                self.notifications.show_message("warning", text)
            case RecordingFinished(recording):
                self.store.write(cast("FinishedRecording", recording))
            case RecordingDiscarded(frames) if frames:
                self.notifications.show_message("info", f"Recording of {count(frames, 'frame')} discarded.")

    def _show_failure(self, sentence: str) -> None:
        self._broken.setText(sentence)
        self._pages.setCurrentWidget(self._broken)
        self.notifications.show_message("error", sentence, Remedy("Try again", self._try_again))

    def _try_again(self) -> None:
        self._pages.setCurrentWidget(self.viewport)
        self.session.start()

    def _show_drawing(self) -> None:
        if isinstance(self.viewport, Viewport) and self.viewport.software_rendering:
            self.status_line.show_drawing("Software OpenGL")
            self.status_line.drawing.setToolTip(
                "No graphics card is in use: shadows and smooth edges are off; see the View menu"
            )

    # --- window -------------------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self._started:
            self._started = True
            # After the first picture: what the session imports must not hold up the window.
            QTimer.singleShot(0, self._start)

    def _start(self) -> None:
        self.viewport.setFocus()
        self.session.start()
        self.store.recover()
        self.workspace.refresh()

    def reset_layout(self) -> None:
        """Put every dock where it was at first."""
        self.docks.arrange()

    def show_shortcuts(self) -> None:
        """Open the dialog of keys and mouse gestures."""
        dialog = ShortcutsDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def open_log_folder(self) -> None:
        """Show the log in the file manager."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._core_workspace.log_folder)))

    def show_unexpected(self, sentence: str) -> None:
        """Something went wrong that nobody foresaw."""
        self.notifications.show_message("error", sentence, Remedy("Open log", self.open_log_folder))

    def show_about(self) -> None:
        """Say what this is."""
        about = QMessageBox(
            QMessageBox.Icon.NoIcon,
            "About VINN Workbench",
            f"<h3>VINN Workbench {__version__}</h3><p>Teach a robot arm by teleoperation and watch Visual Imitation "
            "through Nearest Neighbours (Pari et al. 2021) repeat it.</p>",
            QMessageBox.StandardButton.Close,
            self,
        )
        about.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        about.open()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.record.recording:
            event.ignore()
            self._ask_before_closing()
            return
        event.accept()
        self._shut_down()

    def _ask_before_closing(self) -> None:
        button = QMessageBox.StandardButton
        question = QMessageBox(
            QMessageBox.Icon.Question,
            "Save the recording?",
            "An episode is being recorded. Save it before closing?",
            button.Save | button.Discard | button.Cancel,
            self,
        )
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setDefaultButton(button.Save)
        question.button(button.Save).clicked.connect(lambda: self._close_after(self.record.save))
        question.button(button.Discard).clicked.connect(lambda: self._close_after(self.record.discard_now))
        question.open()

    def _close_after(self, end_recording: Callable[[], None]) -> None:
        end_recording()
        self.session.stop()
        QCoreApplication.sendPostedEvents(self, QEvent.Type.MetaCall)  # the last events: the recording's end is one
        self.close()

    def _shut_down(self) -> None:
        if self._closing:
            return
        self._closing = True
        save_settings(self, self._panels)
        self.session.stop()
        QCoreApplication.sendPostedEvents(self, QEvent.Type.MetaCall)
        self.viewport.close_renderer()
        for panel in self._panels:
            panel.close_jobs()
        self.frames.close()
        self.store.close()
        self.workspace.close()
        self._core_workspace.close()
        self.closed.emit()
