"""The open workspace as the window sees it: cached lists, a selection, and Qt signals when either changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.state.background import Background
from vinn_core.config import DEFAULT_NAME
from vinn_core.episodes.episode import Episode

if TYPE_CHECKING:
    from vinn_core.encoder.store import StoredEncoder
    from vinn_core.episodes.dataset import Dataset
    from vinn_core.episodes.file import EpisodeSummary
    from vinn_core.retrieval.store import StoredIndex
    from vinn_core.workspace import Workspace


class WorkspaceModel(QObject):
    """Lives in the GUI thread. All disk work happens in threads of its own; results arrive by signal or callback."""

    episodes_changed = Signal()
    encoders_changed = Signal()
    indexes_changed = Signal()
    selection_changed = Signal(object)
    """The selected episode's number, or None."""
    highlight_changed = Signal(object)
    """The number of the episode that is being pointed at elsewhere, or None."""
    thumbnail_ready = Signal(int, str, object)
    """Episode number, camera, (H, W, 3) uint8."""
    refreshed = Signal()
    """What was asked for by `refresh` has been read, whether or not it has changed."""
    index_requested = Signal()
    """Somebody asks for the index to be rebuilt; whoever runs jobs does it."""
    notify = Signal(str, str)
    """Level and sentence."""

    def __init__(self, workspace: Workspace, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._disk = Background(1, self)
        self._dataset: Dataset | None = None
        self._episodes: tuple[EpisodeSummary, ...] = ()
        self._damaged: tuple[tuple[Path, str], ...] = ()
        self._trashed: tuple[int, ...] = ()
        self._encoders: tuple[StoredEncoder, ...] = ()
        self._indexes: tuple[StoredIndex, ...] = ()
        self._selection: int | None = None
        self._listed = False
        self._refreshing = False
        self._refresh_again = False

    # --- what is there ----------------------------------------------------------------------------------------------

    @property
    def workspace(self) -> Workspace:
        return self._workspace

    @property
    def listed(self) -> bool:
        """Whether the first `refresh` has come back."""
        return self._listed

    @property
    def episodes(self) -> tuple[EpisodeSummary, ...]:
        """By number; as of the last refresh."""
        return self._episodes

    @property
    def damaged(self) -> tuple[tuple[Path, str], ...]:
        """Files in the episodes folder that cannot be read, each with the sentence that says why."""
        return self._damaged

    @property
    def trashed(self) -> tuple[int, ...]:
        """Numbers of the deleted episodes that can still be restored."""
        return self._trashed

    @property
    def usable_episodes(self) -> tuple[EpisodeSummary, ...]:
        """Those that a policy learns from: all that are not marked as failed."""
        return tuple(summary for summary in self._episodes if summary.usable)

    @property
    def encoder(self) -> StoredEncoder | None:
        """The encoder in use: the index's, or the default one while there is no index."""
        name = self.index.info.encoder if self.index else DEFAULT_NAME
        return next((encoder for encoder in self._encoders if encoder.name == name), None)

    @property
    def indexes(self) -> tuple[StoredIndex, ...]:
        """By name; as of the last refresh."""
        return self._indexes

    @property
    def index(self) -> StoredIndex | None:
        """The index in use: the newest."""
        return max(self._indexes, key=lambda index: index.info.created, default=None)

    @property
    def episodes_not_indexed(self) -> tuple[EpisodeSummary, ...]:
        """Usable episodes recorded, changed or marked since the index was built."""
        known = self.index.info.episodes if self.index else {}
        return tuple(summary for summary in self.usable_episodes if known.get(summary.number) != summary.fingerprint)

    @property
    def indexed_episodes_obsolete(self) -> tuple[int, ...]:
        """Numbers in the index that have been deleted or marked as failed since it was built."""
        usable = {summary.number for summary in self.usable_episodes}
        return tuple(number for number in (self.index.info.episodes if self.index else ()) if number not in usable)

    @property
    def next_seed(self) -> int:
        """The smallest seed above all used ones."""
        return max((summary.seed for summary in self._episodes), default=-1) + 1

    def summary(self, number: int) -> EpisodeSummary | None:
        return next((summary for summary in self._episodes if summary.number == number), None)

    # --- selection --------------------------------------------------------------------------------------------------

    @property
    def selection(self) -> int | None:
        """The selected episode's number."""
        return self._selection

    def select(self, number: int | None) -> None:
        if number != self._selection:
            self._selection = number
            self.selection_changed.emit(number)

    def highlight(self, number: int | None) -> None:
        """Point at an episode without selecting it."""
        self.highlight_changed.emit(number)

    def request_index(self) -> None:
        self.index_requested.emit()

    # --- disk -------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the lists anew; call when something else may have changed the folder. Signals what has changed."""
        if self._refreshing:
            self._refresh_again = True
            return
        self._refreshing = True
        self._disk.run(self._read, self._take, self._refresh_failed, priority=2)

    def load_episode(self, number: int, then: Callable[[Episode], None]) -> None:
        """Load an episode, then call `then` with it in the GUI thread; what is wrong with it is notified."""
        self._disk.run(lambda: self._open().load(number), then, partial(self.notify.emit, "error"), priority=1)

    def request_thumbnail(self, number: int, camera: str) -> None:
        """`thumbnail_ready` follows; nothing does when the picture cannot be had."""

        def ready(image: NDArray[np.uint8]) -> None:
            self.thumbnail_ready.emit(number, camera, image)

        self._disk.run(lambda: self._open().thumbnail(number, camera), ready)

    def set_success(self, numbers: Sequence[int], success: bool | None) -> None:
        """Overrule whether these episodes solved the task; None: nobody knows."""

        def write() -> None:
            for number in numbers:
                self._open().set_success(number, success)

        self._change(write)

    def delete(self, numbers: Sequence[int], then: Callable[[], None] = lambda: None) -> None:
        """Move episodes to the trash, from which `restore` brings them back."""
        self._change(lambda: self._open().delete(list(numbers)), then)

    def restore(self, numbers: Sequence[int], then: Callable[[], None] = lambda: None) -> None:
        """Undo `delete`."""
        self._change(lambda: self._open().restore(list(numbers)), then)

    def empty_trash(self, then: Callable[[], None] = lambda: None) -> None:
        """Remove the deleted episodes for good."""
        self._change(lambda: self._open().empty_trash(), then)

    def close(self) -> None:
        """Wait for the disk work under way."""
        self._disk.close()

    def _change(self, work: Callable[[], Any], then: Callable[[], None] = lambda: None) -> None:
        complain = partial(self.notify.emit, "error")
        self._disk.change(work, then, complain=complain, refresh=self.refresh, priority=2)

    def _open(self) -> Dataset:
        """Only from the disk thread: importing HDF5 takes a moment that the window's start does not have."""
        if self._dataset is None:
            from vinn_core.episodes.dataset import Dataset

            self._dataset = Dataset(self._workspace)
        return self._dataset

    def _read(self) -> tuple[Any, ...]:
        from vinn_core.encoder.store import list_encoders
        from vinn_core.retrieval.store import list_indexes

        dataset = self._open()
        return (
            tuple(dataset.summaries()),
            tuple(dataset.damaged()),
            tuple(dataset.trashed()),
            tuple(list_encoders(self._workspace.encoders_folder)),
            tuple(list_indexes(self._workspace.indexes_folder)),
        )

    def _take(self, lists: tuple[Any, ...]) -> None:
        first, self._listed = not self._listed, True
        self._refreshing = False
        episodes, damaged, trashed, encoders, indexes = lists
        there_were = (self._episodes, self._damaged, self._trashed)
        changes = (
            ((episodes, damaged, trashed) != there_were, self.episodes_changed),
            (encoders != self._encoders, self.encoders_changed),
            (indexes != self._indexes, self.indexes_changed),
        )
        self._episodes, self._damaged, self._trashed, self._encoders, self._indexes = lists
        if self._selection is not None and self.summary(self._selection) is None:
            self.select(None)
        for changed, signal in changes:
            if changed or first:
                signal.emit()
        self._again()

    def _refresh_failed(self, sentence: str) -> None:
        self._refreshing = False
        self.notify.emit("error", sentence)
        self._again()

    def _again(self) -> None:
        if self._refresh_again:
            self._refresh_again = False
            self.refresh()
        else:
            self.refreshed.emit()
