"""The recorded frames of an index, at hand when a neighbour is to be shown."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.background import Background

Frames = dict[str, NDArray[np.uint8]]

_LIMIT_BYTES = 600_000_000
"""About 10,000 frames of two cameras at 96 pixels."""


def _load_frames(path: Path, camera: str) -> NDArray[np.uint8]:
    from vinn_core.dataset import load_frames

    return load_frames(path, camera)


class FrameCache(QObject):
    """Keeps whole episodes, the least recently shown forgotten first. A thread of its own reads them."""

    loaded = Signal()
    """More frames are here."""

    def __init__(
        self,
        limit_bytes: int = _LIMIT_BYTES,
        load_frames: Callable[[Path, str], NDArray[np.uint8]] = _load_frames,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._limit = limit_bytes
        self._load_frames = load_frames
        self._reader = Background(1, self)
        self._paths: dict[int, Path] = {}
        self._cameras: tuple[str, ...] = ()
        self._kept: OrderedDict[int, Frames] = OrderedDict()
        self._asked: set[int] = set()
        self._bytes = 0
        self._generation = 0

    def prepare(self, paths: Mapping[int, Path], cameras: Sequence[str]) -> None:
        """Serve these episodes' frames from now on, and begin to read them all."""
        self._generation += 1
        self._paths, self._cameras = dict(paths), tuple(cameras)
        self._kept.clear()
        self._asked.clear()
        self._bytes = 0
        for number in self._paths:
            self._ask(number, priority=0)

    def frame(self, episode: int, step: int, camera: str) -> NDArray[np.uint8] | None:
        """(H, W, 3); None while it is being read, when `loaded` follows, and for ever when it cannot be."""
        frames = self._kept.get(episode)
        if frames is None:
            self._ask(episode, priority=1)
            return None
        self._kept.move_to_end(episode)
        images = frames.get(camera)
        return images[step] if images is not None and step < len(images) else None

    def close(self) -> None:
        self._reader.close()

    def _ask(self, number: int, priority: int) -> None:
        if number not in self._paths or number in self._asked:
            return
        self._asked.add(number)
        path, cameras, generation, preload = self._paths[number], self._cameras, self._generation, priority == 0

        def read() -> Frames:
            if generation != self._generation or (preload and self._bytes >= self._limit):
                return {}
            return {camera: self._load_frames(path, camera) for camera in cameras}

        def keep(frames: Frames) -> None:
            if generation != self._generation:
                return
            if not frames:  # no room to read it ahead; it will be asked for again
                self._asked.discard(number)
                return
            self._kept[number] = frames
            self._bytes += _size(frames)
            while self._bytes > self._limit and len(self._kept) > 1:
                oldest, forgotten = self._kept.popitem(last=False)
                self._bytes -= _size(forgotten)
                self._asked.discard(oldest)
            self.loaded.emit()

        self._reader.run(read, keep, priority=priority)


def _size(frames: Frames) -> int:
    return sum(images.nbytes for images in frames.values())
