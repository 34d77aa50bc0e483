"""Which encoder and index are in use, and what has happened since the index was built."""

from __future__ import annotations

from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QVBoxLayout, QWidget

from app.state.workspace import WorkspaceModel
from app.widgets.images import make_faint
from app.wording import count, moment


class InUse(QWidget):
    """Says it in sentences; `rebuild` is offered when the index has fallen behind the episodes."""

    def __init__(self, workspace: WorkspaceModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self.encoder, self.index, self.news = QLabel(), QLabel(), QLabel()
        for label in (self.encoder, self.index, self.news):
            label.setWordWrap(True)
        make_faint(self.encoder)
        make_faint(self.index)
        self.rebuild = QPushButton("Rebuild index", self)
        self.rebuild.setToolTip("Embed the new episodes with the present encoder; no training. Takes seconds.")
        self._behind = QFrame(self)
        self._behind.setFrameShape(QFrame.Shape.StyledPanel)
        inner = QVBoxLayout(self._behind)
        inner.setContentsMargins(8, 6, 8, 6)
        inner.addWidget(self.news)
        inner.addWidget(self.rebuild)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.encoder)
        layout.addWidget(self.index)
        layout.addWidget(self._behind)

    def show_state(self, busy: bool) -> None:
        """Read the workspace again; while `busy`, nothing is offered."""
        encoder, index = self._workspace.encoder, self._workspace.index
        self.encoder.setText(f"Encoder in use: {encoder.name} ({encoder.origin})." if encoder else "No encoder yet.")
        self.index.setText(
            f"Index in use: {count(index.frames, 'frame')} of {count(len(index.info.episodes), 'episode')}, "
            f"built {moment(index.info.created)}."
            if index
            else "No index yet."
        )
        news = self._news()
        self.news.setText(news)
        self._behind.setVisible(bool(news) and not busy)

    def _news(self) -> str:
        workspace, news = self._workspace, []
        if workspace.index is None:
            there = workspace.encoder is not None and workspace.usable_episodes
            return "There is an encoder, but no index yet." if there else ""
        fresh, obsolete = workspace.episodes_not_indexed, workspace.indexed_episodes_obsolete
        if fresh:
            were = "was" if len(fresh) == 1 else "were"
            news.append(f"{count(len(fresh), 'episode')} {were} recorded or changed since the index was built.")
        if obsolete:
            news.append(f"{count(len(obsolete), 'episode')} of the index deleted or marked as failed since.")
        return " ".join(news)
