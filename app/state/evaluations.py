"""The stored evaluations of the open workspace as the window sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.state.background import Background

if TYPE_CHECKING:
    from vinn_core.rollouts.rollout import Rollout
    from vinn_core.rollouts.store import StoredEvaluation


class Evaluations(QObject):
    """Lives in the GUI thread; a thread of its own works on the folder.

    Args:
        folder: the workspace's evaluations.
    """

    changed = Signal()
    notify = Signal(str, str)
    """Level and sentence."""

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._disk = Background(1, self)
        self._stored: tuple[StoredEvaluation, ...] = ()

    @property
    def stored(self) -> tuple[StoredEvaluation, ...]:
        """Newest first; as of the last refresh."""
        return self._stored

    def free_name(self, beginning: str) -> str:
        """`beginning` with the first number that no evaluation has."""
        number = 1
        while (self._folder / f"{beginning}-{number}").exists():
            number += 1
        return f"{beginning}-{number}"

    def refresh(self) -> None:
        """Read the list anew; `changed` follows when it has changed."""

        def read() -> tuple[StoredEvaluation, ...]:
            from vinn_core.rollouts.store import list_evaluations

            return tuple(list_evaluations(self._folder))

        self._disk.run(read, self._take, partial(self.notify.emit, "error"))

    def load_rollout(self, evaluation: StoredEvaluation, seed: int, then: Callable[[Rollout], None]) -> None:
        """Load a rollout, then call `then` with it; what is wrong with it is notified."""

        def read() -> Rollout:
            from vinn_core.rollouts.store import load_rollout

            return load_rollout(self._folder, evaluation, seed)

        self._disk.run(read, then, partial(self.notify.emit, "error"), priority=1)

    def delete(self, names: Sequence[str], then: Callable[[], None] = lambda: None) -> None:
        """Move evaluations to the trash, from which `restore` brings them back."""

        def move() -> None:
            from vinn_core.rollouts.store import delete_evaluations

            delete_evaluations(self._folder, names)

        self._change(move, then)

    def restore(self, names: Sequence[str], then: Callable[[], None] = lambda: None) -> None:
        """Undo `delete`."""

        def move() -> None:
            from vinn_core.rollouts.store import restore_evaluations

            restore_evaluations(self._folder, names)

        self._change(move, then)

    def close(self) -> None:
        """Wait for the work under way."""
        self._disk.close()

    def _change(self, work: Callable[[], Any], then: Callable[[], None]) -> None:
        complain = partial(self.notify.emit, "error")
        self._disk.change(work, then, complain=complain, refresh=self.refresh, priority=1)

    def _take(self, stored: tuple[StoredEvaluation, ...]) -> None:
        if stored != self._stored:
            self._stored = stored
            self.changed.emit()
