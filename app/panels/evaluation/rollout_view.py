"""A stored rollout while it is watched: how far it is, what the policy saw, and the frames it followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.state.frame_cache import EpisodeFrames, FrameCache
from app.widgets.decision_view import DecisionView
from app.widgets.replay_position import ReplayPosition
from app.wording import count
from vinn_core.session.messages import Snapshot

if TYPE_CHECKING:
    from vinn_core.episodes.file import EpisodeSummary


class RolloutView(QWidget):
    """Hidden until the first rollout."""

    def __init__(self, frames: FrameCache, control_hz: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frames = EpisodeFrames(frames)
        self.position = ReplayPosition(control_hz, self)
        self.view = DecisionView(self._frames.frame, control_hz, self)
        frames.loaded.connect(self.view.neighbours.refresh)
        self._cameras: tuple[str, ...] = ()
        self._following = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.position)
        layout.addWidget(self.view)
        self.hide()

    def prepare(self, episodes: Iterable[EpisodeSummary], cameras: Sequence[str]) -> None:
        """A rollout begins: these are the episodes that its neighbours are from."""
        self._frames.show(episodes, cameras)
        self._cameras = tuple(cameras)
        self.view.set_cameras(self._cameras)
        self.view.neighbours.show_neighbours((), self._cameras)
        self.view.caption.clear()
        self.show()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Follow the replay of a rollout; the last decision stays when it has ended."""
        watched = snapshot.replay is not None and snapshot.replay.number is None
        self.position.show_replay(snapshot.replay if watched else None)
        ends = self._following and snapshot.replay is None  # its last tick is no longer part of the replay
        self._following = watched
        decision = snapshot.decision
        if not (watched or ends) or decision is None or not self.isVisible():
            return
        self.view.show_live(snapshot.decided_on.images)
        self.view.show_decision(decision)
        found = len(decision.neighbours)
        self.view.caption.setText(f"{count(found, 'nearest recorded frame')}:" if found else "It followed no frames.")
