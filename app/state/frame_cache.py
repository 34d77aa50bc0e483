"""Recorded frames at hand when a neighbour is to be shown: read in a thread, kept once for all that show them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.state.background import Background
from vinn_core.errors import DatasetError

if TYPE_CHECKING:
    from vinn_core.episodes.file import EpisodeSummary

_LIMIT_BYTES = 600_000_000
"""About 20,000 frames at 96 pixels."""


@dataclass(frozen=True)
class Film:
    """What one camera saw in one episode.

    Attributes:
        path: the episode's file.
        fingerprint: of the episode; another one in a file of the same name is another film.
        camera: its name.
    """

    path: Path
    fingerprint: str
    camera: str


def load_film(film: Film) -> NDArray[np.uint8]:
    """(T, H, W, 3). Raises DatasetError when the file is damaged, or holds another episode by now."""
    from vinn_core.episodes.file import load_frames, read_summary

    frames = load_frames(film.path, film.camera)
    if read_summary(film.path).fingerprint != film.fingerprint:  # asked last: the file may be replaced at any moment
        raise DatasetError(f"{film.path.name} holds another episode than it did.")
    return frames


class FrameCache(QObject):
    """Keeps whole films, the least recently shown forgotten first. A thread of its own reads them."""

    loaded = Signal()
    """More frames are here."""

    def __init__(
        self,
        limit_bytes: int = _LIMIT_BYTES,
        load: Callable[[Film], NDArray[np.uint8]] = load_film,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._limit = limit_bytes
        self._load = load
        self._reader = Background(1, self)
        self._wanted: dict[object, Sequence[Film]] = {}
        self._asked: set[Film] = set()
        """Those whose frames have been asked for, while they are being read and for ever when they cannot be."""
        self._lock = Lock()
        """Over what follows: the reader uses it too."""
        self._all_wanted: frozenset[Film] = frozenset()
        self._kept: OrderedDict[Film, NDArray[np.uint8]] = OrderedDict()
        self._bytes = 0

    def prepare(self, user: object, films: Sequence[Film]) -> None:
        """Read ahead what `user` will show from now on, as far as there is room; forget what nobody shows any more."""
        self._wanted[user] = films
        self._asked.difference_update(films)
        with self._lock:
            self._all_wanted = frozenset(film for wanted in self._wanted.values() for film in wanted)
            for film in [film for film in self._kept if film not in self._all_wanted]:
                self._bytes -= self._kept.pop(film).nbytes
        for film in films:
            self._read(film, ahead=True)

    def frame(self, film: Film, step: int) -> NDArray[np.uint8] | None:
        """(H, W, 3) of a film that has been prepared.

        None while it is being read, when `loaded` follows, and for ever when it cannot be.
        """
        with self._lock:
            frames = self._kept.get(film)
            if frames is not None:
                self._kept.move_to_end(film)
                return frames[step] if step < len(frames) else None
        if film not in self._asked:
            self._asked.add(film)
            self._read(film, ahead=False)
        return None

    def close(self) -> None:
        """Wait for what is being read."""
        self._reader.close()

    def _read(self, film: Film, *, ahead: bool) -> None:
        def read() -> bool:
            with self._lock:
                no_room = ahead and self._bytes >= self._limit
                if no_room or film in self._kept or film not in self._all_wanted:
                    return False
            frames = self._load(film)
            with self._lock:
                self._keep(film, frames)
            return True

        def tell(fresh: bool) -> None:
            if fresh:
                self._asked.discard(film)
                self.loaded.emit()

        self._reader.run(read, tell, priority=0 if ahead else 1)

    def _keep(self, film: Film, frames: NDArray[np.uint8]) -> None:
        if film not in self._all_wanted:  # by now
            return
        self._kept[film] = frames
        self._bytes += frames.nbytes
        while self._bytes > self._limit and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes


class EpisodeFrames:
    """What one view shows of the cache: frames by the number of the episode."""

    def __init__(self, cache: FrameCache) -> None:
        self._cache = cache
        self._films: dict[tuple[int, str], Film] = {}

    def show(self, episodes: Iterable[EpisodeSummary], cameras: Sequence[str]) -> None:
        """Show frames of these episodes from now on, and of no others."""
        self._films = {
            (summary.number, camera): Film(summary.path, summary.fingerprint, camera)
            for summary in episodes
            for camera in cameras
        }
        self._cache.prepare(self, tuple(self._films.values()))

    def frame(self, episode: int, step: int, camera: str) -> NDArray[np.uint8] | None:
        """(H, W, 3); None while it is not here, see `FrameCache.frame`, and of an episode that is not shown."""
        film = self._films.get((episode, camera))
        return None if film is None else self._cache.frame(film, step)
