"""Recorded episodes on their way into the workspace: what the session records, what a crash left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.state.background import Background
from app.wording import count
from vinn_core.episodes.episode import Episode, EpisodeInfo

if TYPE_CHECKING:
    from vinn_core.episodes.recorder import EpisodeWriter, FinishedRecording, Recorder
    from vinn_core.workspace import Workspace


class EpisodeStore(QObject):
    """Lives in the GUI thread; `make_recorder` is called in the session's thread.

    The core's storage is imported when it is first needed: it brings HDF5, which takes a moment that the window's
    start does not have.
    """

    changed = Signal()
    """Episodes have been added to the workspace."""
    notify = Signal(str, str)
    """Level and sentence."""
    _saved = Signal(int, object)
    """Number and Episode."""

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._writer: EpisodeWriter | None = None
        self._background = Background(1, self)
        self._saved.connect(self._report_saved)

    def recover(self) -> None:
        """Turn what a killed program left behind into episodes, in the background."""

        def work() -> list[str]:
            from vinn_core.episodes.recorder import recover_recordings

            return recover_recordings(self._workspace)

        def report(sentences: list[str]) -> None:
            for sentence in sentences:
                self.notify.emit("warning", sentence)
            if sentences:
                self.changed.emit()

        self._background.run(work, report, lambda sentence: self.notify.emit("error", sentence))

    def make_recorder(self, info: EpisodeInfo) -> Recorder:
        """The recorder of a new episode. In the session's thread."""
        from vinn_core.episodes.recorder import Recorder

        return Recorder(
            self._workspace.episodes_folder, info, on_problem=lambda sentence: self.notify.emit("error", sentence)
        )

    def write(self, recording: FinishedRecording) -> None:
        """Write a finished recording in the background; `changed` or an error follows."""
        if self._writer is None:
            from vinn_core.episodes.recorder import EpisodeWriter

            self._writer = EpisodeWriter(
                self._workspace, self._saved.emit, lambda sentence: self.notify.emit("error", sentence)
            )
        self._writer.write(recording)

    def close(self) -> None:
        """Wait until all is on disk."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._background.close()

    def _report_saved(self, number: int, episode: Episode) -> None:
        outcome = {True: "a success", False: "a failure", None: "of unknown outcome"}[episode.info.success]
        self.notify.emit("info", f"Episode {number} saved: {count(len(episode), 'frame')}, {outcome}.")
        self.changed.emit()
