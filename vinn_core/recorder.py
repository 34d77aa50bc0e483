"""Records one episode so that a kill loses nothing of it, and writes finished ones to the dataset in the background."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from vinn_core.dataset import Dataset, save_episode
from vinn_core.episode import Action, Episode, EpisodeBuffer, EpisodeInfo, Observation, Source
from vinn_core.errors import VinnError
from vinn_core.journal import JournalWriter, is_abandoned, read_journal, remove_journal
from vinn_core.workspace import Workspace

logger = logging.getLogger(__name__)

_SYNC_EVERY_S = 1.0
_numbers = count(1)

OnProblem = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class FinishedRecording:
    """A finished episode and the journal that still backs it, None when that could not be written."""

    episode: Episode
    journal: Path | None


class Recorder:
    """Keeps the steps of one episode in memory and, step by step, in a journal beside the episodes.

    Args:
        episodes_folder: of the workspace. info: facts about the episode; outcome and source are set by `finish`.
        on_problem: told once, in one sentence, when the journal cannot be written; recording goes on in memory.
    """

    def __init__(self, episodes_folder: Path, info: EpisodeInfo, on_problem: OnProblem = logger.error) -> None:
        self._buffer = EpisodeBuffer(info)
        self._on_problem = on_problem
        self._journal: JournalWriter | None = None
        self._ended = threading.Event()
        try:
            path = episodes_folder / f".recording-{os.getpid()}-{next(_numbers)}.journal"
            self._journal = JournalWriter(path)
            self._journal.append(json.dumps(asdict(info)).encode())
        except OSError as error:
            self._give_up_journal(error)
        # Surviving a power cut needs fsync, which may take long: never in the control loop.
        self._sync = threading.Thread(target=self._sync_journal, name="recorder-sync", daemon=True)
        self._sync.start()

    def __len__(self) -> int:
        return len(self._buffer)

    def append(
        self, observation: Observation, action: Action, executed_action: Action, state: NDArray[np.float64]
    ) -> None:
        """Take one control tick in; returns when the operating system has it."""
        self._buffer.append(observation, action, executed_action, state)
        if self._journal is not None:
            try:
                self._journal.append(_encode_step(observation, action, executed_action, state))
            except OSError as error:
                self._give_up_journal(error)

    def finish(self, success: bool | None, source: Source) -> FinishedRecording:
        """The episode with all steps; hand it to an `EpisodeWriter`, which removes the journal once all is safe."""
        self._end_sync()
        episode = self._buffer.finish(success, source)
        if self._journal is None:
            return FinishedRecording(episode, None)
        path = self._journal.path
        try:
            self._journal.append(json.dumps({"success": success, "source": source}).encode())
        except OSError as error:
            logger.warning("the outcome could not be added to the journal: %s", error)
        # The lock is kept until the writer is done, so that nobody recovers the journal meanwhile.
        _open_journals[path] = self._journal
        return FinishedRecording(episode, path)

    def discard(self) -> None:
        """Throw the episode away."""
        self._end_sync()
        self._buffer.discard()
        if self._journal is not None:
            self._journal.remove()

    def _give_up_journal(self, error: OSError) -> None:
        self._on_problem(
            f"The recording cannot be written to disk ({error.strerror or error}); it goes on in memory. "
            "Free some space before you save it."
        )
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.remove()

    def _sync_journal(self) -> None:
        while not self._ended.wait(_SYNC_EVERY_S):
            journal = self._journal
            if journal is None:
                return
            try:
                os.fsync(journal.fileno())
            except (OSError, ValueError) as error:
                logger.warning("the recording's journal could not be flushed: %s", error)

    def _end_sync(self) -> None:
        self._ended.set()
        self._sync.join()


_open_journals: dict[Path, JournalWriter] = {}
"""Journals of finished episodes that are not written yet."""


class EpisodeWriter:
    """Writes finished episodes to the workspace, one after the other, in a thread of its own.

    Args:
        on_saved: called with the episode number, in the writer's thread.
        on_failed: called with one sentence; the journal stays, so the episode comes back at the next start.
    """

    def __init__(self, workspace: Workspace, on_saved: Callable[[int], None], on_failed: Callable[[str], None]) -> None:
        self._workspace = workspace
        self._on_saved = on_saved
        self._on_failed = on_failed
        self._queue: SimpleQueue[FinishedRecording | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="episode-writer")
        self._thread.start()

    def write(self, recording: FinishedRecording) -> None:
        """Have the episode written; returns at once."""
        self._queue.put(recording)

    def close(self) -> None:
        """Wait until every episode is written."""
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        while (recording := self._queue.get()) is not None:
            try:
                number = save_episode(self._workspace.episodes_folder, recording.episode)
            except VinnError as error:
                kept = "" if recording.journal is None else " The recording is kept and comes back at the next start."
                _release(recording.journal, remove=False)
                self._on_failed(f"{error}{kept}")
                continue
            _release(recording.journal, remove=True)
            try:
                Dataset(self._workspace).rewrite_master()
            except VinnError as error:
                logger.warning("%s", error)
            self._on_saved(number)


def _release(path: Path | None, remove: bool) -> None:
    journal = _open_journals.pop(path, None) if path is not None else None
    if journal is not None:
        if remove:
            journal.remove()
        else:
            journal.close()


def recover_recordings(workspace: Workspace) -> list[str]:
    """Turn the journals that a killed program left behind into episodes.

    Returns:
        One sentence for each recovered episode, and for each that cannot be recovered.
    """
    sentences = []
    for path in sorted(workspace.episodes_folder.glob(".recording-*.journal")):
        if not is_abandoned(path):
            continue
        try:
            episode = _read_recording(path)
            if episode is None:
                remove_journal(path)
                continue
            number = save_episode(workspace.episodes_folder, episode)
        except (VinnError, OSError, ValueError, KeyError) as error:
            sentences.append(f"An interrupted recording ({path.name}) could not be recovered: {error}")
            continue
        remove_journal(path)
        sentences.append(f"Recovered an interrupted recording of {len(episode)} frames as episode {number}.")
    for leftover in workspace.episodes_folder.glob(".saving-*.hdf5"):
        if not _is_running(int(leftover.name.split("-")[1])):
            leftover.unlink(missing_ok=True)
    if sentences:
        Dataset(workspace).rewrite_master()
    return sentences


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OSError):
        return True
    return True


def _read_recording(path: Path) -> Episode | None:
    """The episode in a journal, outcome unknown if it was never finished; None when no step was written whole."""
    records = read_journal(path)
    header = next(records, None)
    if header is None:
        return None
    facts = json.loads(header)
    info = EpisodeInfo(**{**facts, "source": Source(facts["source"])})
    buffer = EpisodeBuffer(info)
    for record in records:
        if record.startswith(b"{"):
            outcome = json.loads(record)
            info = replace(info, success=outcome["success"], source=Source(outcome["source"]))
        else:
            buffer.append(*_decode_step(record))
    return buffer.finish(info.success, info.source) if len(buffer) else None


def _encode_step(
    observation: Observation, action: Action, executed_action: Action, state: NDArray[np.float64]
) -> bytes:
    stream = io.BytesIO()
    np.savez(
        stream,
        allow_pickle=False,
        body=np.concatenate(
            (
                observation.ee_position,
                observation.ee_quaternion,
                [observation.gripper_opening, observation.time],
                state,
            )
        ),
        action=action.as_array(),
        executed_action=executed_action.as_array(),
        **{f"image:{camera}": image for camera, image in observation.images.items()},  # pyright: ignore[reportArgumentType]
    )
    return stream.getvalue()


def _decode_step(record: bytes) -> tuple[Observation, Action, Action, NDArray[np.float64]]:
    with np.load(io.BytesIO(record)) as arrays:
        body = arrays["body"]
        observation = Observation(
            images={name.removeprefix("image:"): arrays[name] for name in arrays.files if name.startswith("image:")},
            ee_position=body[:3],
            ee_quaternion=body[3:7],
            gripper_opening=float(body[7]),
            time=float(body[8]),
        )
        return (
            observation,
            Action.from_array(arrays["action"]),
            Action.from_array(arrays["executed_action"]),
            body[9:],
        )
