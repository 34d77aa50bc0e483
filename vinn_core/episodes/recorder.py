"""Records one episode so that a kill loses nothing of it, and writes finished ones to the dataset in the background."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import Action, Episode, EpisodeBuffer, EpisodeInfo, Observation, Source
from vinn_core.episodes.file import fingerprint_of
from vinn_core.episodes.journal import JournalWriter, claimed, read_journal
from vinn_core.errors import VinnError, WorkspaceError
from vinn_core.files import disk_errors, remove_leftovers
from vinn_core.workspace import Workspace

logger = logging.getLogger(__name__)

_SYNC_EVERY_S = 1.0

OnProblem = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class FinishedRecording:
    """A finished episode and the journal that backs it.

    Attributes:
        journal: open, so that nobody recovers it meanwhile; None when it could not be made.
        frames_in_journal: how many frames would come back from it: all, unless the disk was full while recording.
    """

    episode: Episode
    journal: JournalWriter | None
    frames_in_journal: int


class Recorder:
    """Keeps the steps of one episode in memory and, step by step, in a journal beside the episodes.

    Args:
        episodes_folder: of the workspace.
        info: facts about the episode; outcome and source are set by `finish`.
        on_problem: told once, in one sentence, when the journal cannot be written; recording goes on in memory.
    """

    def __init__(self, episodes_folder: Path, info: EpisodeInfo, on_problem: OnProblem = logger.error) -> None:
        self._buffer = EpisodeBuffer(info)
        self._on_problem = on_problem
        self._journal: JournalWriter | None = None
        self._journal_is_whole = True
        self._frames_in_journal = 0
        self._ended = threading.Event()
        try:
            # Named by the time, so that recordings are recovered in their order; a process id alone may come again.
            self._journal = JournalWriter(episodes_folder / f".recording-{time.time_ns()}-{os.getpid()}.journal")
        except OSError as error:
            self._report_journal(error)
        self._add_to_journal(json.dumps(asdict(info)).encode())
        # Surviving a power cut needs fsync, which may take long: never in the control loop.
        self._sync = threading.Thread(target=self._sync_journal, name="recorder-sync", daemon=True)
        self._sync.start()

    def __len__(self) -> int:
        return len(self._buffer)

    def append(
        self, observation: Observation, action: Action, executed_action: Action, *, state: NDArray[np.float64]
    ) -> None:
        """Take one control tick in; returns when the operating system has it.

        Args:
            state: (S,) float64 of the simulation before the action.
        """
        self._buffer.append(observation, action, executed_action, state=state)
        if self._journal_is_whole and self._add_to_journal(
            _encode_step(observation, action, executed_action, state=state)
        ):
            self._frames_in_journal += 1

    def finish(self, success: bool | None, source: Source) -> FinishedRecording:
        """The episode with all steps, of which there must be one at least.

        Hand it to an `EpisodeWriter`, which removes the journal once all is safe.
        """
        self._end_sync()
        self._add_to_journal(json.dumps({"success": success, "source": source}).encode())
        return FinishedRecording(self._buffer.finish(success, source), self._journal, self._frames_in_journal)

    def discard(self) -> None:
        """Throw the episode away."""
        self._end_sync()
        self._buffer.discard()
        if self._journal is not None:
            self._journal.remove()

    def _add_to_journal(self, record: bytes) -> bool:
        """Whether the journal has it. After a failure nothing more is added: what is there still may be recovered."""
        if self._journal is None or not self._journal_is_whole:
            return False
        try:
            self._journal.append(record)
        except OSError as error:
            self._report_journal(error)
            return False
        return True

    def _report_journal(self, error: OSError) -> None:
        self._journal_is_whole = False
        self._on_problem(
            f"The recording cannot be written to disk ({error.strerror or error}); it goes on in memory. "
            "Free some space or mend the disk before you save it."
        )

    def _sync_journal(self) -> None:
        while self._journal is not None and not self._ended.wait(_SYNC_EVERY_S):
            try:
                os.fsync(self._journal.fileno())
            except OSError as error:
                logger.warning("the recording's journal could not be flushed: %s", error)

    def _end_sync(self) -> None:
        self._ended.set()
        self._sync.join()


class EpisodeWriter:
    """Writes finished episodes to the workspace, one after the other, in a thread of its own.

    What cannot be written is kept, and tried again with the next recording and when the writer is closed.

    Args:
        on_saved: called with the number and the episode that has it now, in the writer's thread. One that was kept may
            come after a later one.
        on_failed: called with one sentence, in the writer's thread: at the first failure of a recording, and when it
            still cannot be written at the end. Its journal then stays for the next start.
    """

    def __init__(
        self, workspace: Workspace, on_saved: Callable[[int, Episode], None], on_failed: Callable[[str], None]
    ) -> None:
        self._workspace = workspace
        self._on_saved = on_saved
        self._on_failed = on_failed
        self._queue: SimpleQueue[FinishedRecording | None] = SimpleQueue()
        # A program that ends without `close` must end all the same: the journals bring back what was not written.
        self._thread = threading.Thread(target=self._write_all, name="episode-writer", daemon=True)
        self._thread.start()

    def write(self, recording: FinishedRecording) -> None:
        """Have the episode written; returns at once."""
        self._queue.put(recording)

    def close(self) -> None:
        """Wait until every episode is written, or cannot be."""
        self._queue.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        kept: list[FinishedRecording] = []
        while (recording := self._queue.get()) is not None:
            kept = [earlier for earlier in kept if self._save(earlier) is not None]
            if sentence := self._save(recording):
                kept.append(recording)
                self._on_failed(f"{sentence} The recording is kept and saved with the next one, or on closing.")
        for recording in kept:
            if sentence := self._save(recording):
                self._on_failed(f"{sentence} {_what_stays(recording)}")
                if recording.journal is not None:
                    recording.journal.close()

    def _save(self, recording: FinishedRecording) -> str | None:
        """None when the episode is safe, else a sentence that says why not."""
        try:
            number = save_episode(self._workspace.episodes_folder, recording.episode)
        except VinnError as error:
            return str(error)
        except Exception as error:  # the thread must live on: later recordings wait for it
            logger.exception("an episode could not be saved")
            return f"The episode could not be saved: {error}."
        try:
            if recording.journal is not None:
                recording.journal.remove()
            Dataset(self._workspace).rewrite_master()
        except (VinnError, OSError) as error:  # the episode is safe all the same
            logger.warning("after saving episode %d: %s", number, error)
        self._on_saved(number, recording.episode)
        return None


def _what_stays(recording: FinishedRecording) -> str:
    frames, safe = len(recording.episode), recording.frames_in_journal
    if safe == frames:
        return "The recording is kept and comes back at the next start."
    if safe == 0:
        return f"The recording of {frames} frames is lost."
    return f"Of its {frames} frames, the first {safe} are kept and come back at the next start."


def recover_recordings(workspace: Workspace) -> list[str]:
    """Turn the journals that a killed program left behind into episodes.

    Returns:
        One sentence for each recovered episode, and for each that cannot be recovered.

    Raises:
        WorkspaceError: the episodes folder cannot be read.
    """
    sentences = []
    with disk_errors("looking for interrupted recordings"):
        for path in sorted(workspace.episodes_folder.glob(".recording-*.journal")):
            with claimed(path) as ours:
                if ours and (sentence := _recover(workspace, path)):
                    sentences.append(sentence)
        for folder in (workspace.path, workspace.episodes_folder):
            remove_leftovers(folder)
    try:
        Dataset(workspace).rewrite_master()  # a kill may have come between an episode and its link
    except WorkspaceError as error:
        logger.warning("%s", error)
    return sentences


def _recover(workspace: Workspace, path: Path) -> str | None:
    """Make an episode of the journal at `path`; a sentence that says what became of it, None when it held nothing."""
    try:
        episode = _read_recording(path)
        known = {summary.fingerprint for summary in Dataset(workspace).summaries()}
        if episode is None or fingerprint_of(episode) in known:  # killed before the first step, or just after saving
            path.unlink()
            return None
        number = save_episode(workspace.episodes_folder, episode)
        path.unlink()
    except (VinnError, OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        return f"The interrupted recording {path.name} could not be recovered and is kept: {error}"
    return f"Recovered an interrupted recording of {len(episode)} frames as episode {number}."


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
            observation, action, executed_action, state = _decode_step(record)
            buffer.append(observation, action, executed_action, state=state)
    return buffer.finish(info.success, info.source) if len(buffer) else None


_POSITION, _QUATERNION, _OPENING, _TIME, _STATE = slice(0, 3), slice(3, 7), 7, 8, slice(9, None)
"""What lies where in the array `body` of a journal's step; position [m], quaternion wxyz, time [s]."""


def _encode_step(
    observation: Observation, action: Action, executed_action: Action, *, state: NDArray[np.float64]
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
            ee_position=body[_POSITION],
            ee_quaternion=body[_QUATERNION],
            gripper_opening=float(body[_OPENING]),
            time=float(body[_TIME]),
        )
        return (
            observation,
            Action.from_array(arrays["action"]),
            Action.from_array(arrays["executed_action"]),
            body[_STATE],
        )
