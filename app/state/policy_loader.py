"""Loads the policy in a helper thread: torch takes seconds to import and must not hold up the window."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QThread, Signal

from vinn_core.episodes.episode import Observation
from vinn_core.errors import VinnError

if TYPE_CHECKING:
    from vinn_core.retrieval.vinn import VinnPolicy
    from vinn_core.workspace import Workspace

logger = logging.getLogger(__name__)


def load(workspace: Workspace, index_name: str) -> VinnPolicy:
    """The stored policy, ready to act at once. Raises VinnError, see `vinn_core.retrieval.vinn.load_policy`."""
    from vinn_core.encoder.torch_setup import use_one_thread
    from vinn_core.retrieval.vinn import load_policy

    use_one_thread()  # sums come out the same as headless, and the viewer keeps the other cores
    policy = load_policy(workspace, index_name)
    # The first pass through a network is much slower than the others: not in the first control tick.
    size = workspace.config.image_size
    images = {camera: np.zeros((size, size, 3), np.uint8) for camera in policy.cameras}
    policy.act(Observation(images, np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), 1.0, 0.0))
    policy.reset()
    return policy


class PolicyLoader(QObject):
    """`loaded` or `refused` follows each `load`; of several in a row only the last one's."""

    loaded = Signal(object)
    refused = Signal(str)

    def __init__(
        self,
        workspace: Workspace,
        load: Callable[[Workspace, str], VinnPolicy] = load,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._load = load
        self._thread: _LoadThread | None = None
        self._next: str | None = None
        self._closed = False

    def load(self, index_name: str) -> None:
        """Begin to load; when something is being loaded, after that."""
        if self._closed:
            return
        if self._thread is not None:
            self._next = index_name
            return
        self._thread = _LoadThread(lambda: self._load(self._workspace, index_name), self)
        self._thread.finished.connect(self._finish)
        self._thread.start(QThread.Priority.LowestPriority)

    def close(self) -> None:
        """Wait for the loading under way; nothing is told any more."""
        self._closed = True
        if self._thread is not None:
            self._thread.wait()

    def _finish(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None or self._closed:
            return
        thread.deleteLater()
        if self._next is not None:
            name, self._next = self._next, None
            self.load(name)
        elif thread.policy is not None:
            self.loaded.emit(thread.policy)
        else:
            self.refused.emit(thread.problem)


class _LoadThread(QThread):
    def __init__(self, load: Callable[[], VinnPolicy], parent: QObject) -> None:
        super().__init__(parent)
        self._load = load
        self.policy: VinnPolicy | None = None
        self.problem = ""

    def run(self) -> None:
        try:
            self.policy = self._load()
        except VinnError as error:
            self.problem = str(error)
        except Exception as error:  # a thread's boundary: it becomes a message
            logger.exception("loading the policy failed")
            self.problem = f"The policy could not be loaded ({type(error).__name__}: {error}): rebuild the index."
