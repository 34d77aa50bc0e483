"""Recording: nothing is lost by a kill, a full disk or a slow one, and nothing comes back twice."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from episode_samples import CONFIG, record, record_step, same_steps, sample_episode, sample_info

from vinn_core.episodes import recorder as recorder_module
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import Episode, Source
from vinn_core.episodes.journal import JournalWriter, claimed, read_journal
from vinn_core.episodes.recorder import EpisodeWriter, FinishedRecording, Recorder, recover_recordings
from vinn_core.errors import WorkspaceError
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[3]
ON_A_FULL_DISK = ROOT / "tests" / "core" / "record_on_full_disk.py"


class Bench:
    """A workspace, and what a writer has said about it."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace.open(folder, CONFIG)
        self.folder = self.workspace.episodes_folder
        self.saved: list[int] = []
        self.saved_seeds: list[int] = []
        self.failures: list[str] = []
        self.problems: list[str] = []

    def note_saved(self, number: int, episode: Episode) -> None:
        self.saved.append(number)
        self.saved_seeds.append(episode.info.seed)

    def recorder(self, seed: int = 0) -> Recorder:
        return Recorder(self.folder, sample_info(seed, success=None), self.problems.append)

    def finished(self, episode: Episode, success: bool | None = True) -> FinishedRecording:
        recorder = self.recorder(episode.info.seed)
        record(recorder, episode)
        return recorder.finish(success, Source.TELEOP)

    def write(self, *recordings: FinishedRecording) -> None:
        writer = EpisodeWriter(self.workspace, self.note_saved, self.failures.append)
        for recording in recordings:
            writer.write(recording)
        writer.close()

    def killed(self, episode: Episode, steps: int) -> Path:
        """The journal that a killed recording of the first steps of `episode` leaves."""
        recorder = self.recorder(episode.info.seed)
        [path] = self.journals()
        for step in range(steps):
            record_step(recorder, episode, step)
        kept = path.read_bytes()
        recorder.discard()
        path.write_bytes(kept)
        return path

    def journals(self) -> list[Path]:
        return sorted(self.folder.glob(".recording-*.journal"))

    def load(self, number: int) -> Episode:
        return Dataset(self.workspace).load(number)

    @property
    def numbers(self) -> list[int]:
        return [summary.number for summary in Dataset(self.workspace).summaries()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Disk:
    """A disk that can be filled and freed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        write_bytes, append = Path.write_bytes, JournalWriter.append

        def write_file(path: Path, data: bytes) -> int:
            self.check()
            return write_bytes(path, data)

        def append_record(journal: JournalWriter, record: bytes) -> None:
            self.check()
            append(journal, record)

        monkeypatch.setattr(Path, "write_bytes", write_file)
        monkeypatch.setattr(JournalWriter, "append", append_record)

    def check(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("success", [True, False, None])
def test_a_finished_recording_becomes_an_episode_equal_to_what_was_seen(bench: Bench, success: bool | None) -> None:
    episode = sample_episode(5)
    bench.write(bench.finished(episode, success))
    assert (bench.saved, bench.failures, bench.problems) == ([1], [], [])
    loaded = bench.load(1)
    assert same_steps(loaded, episode)
    assert (loaded.info.seed, loaded.info.success, loaded.info.source) == (5, success, Source.TELEOP)
    assert (bench.workspace.path / "dataset.hdf5").exists()
    assert list(bench.folder.glob(".recording-*")) == []


def test_a_discarded_recording_leaves_nothing(bench: Bench) -> None:
    recorder = bench.recorder()
    record(recorder, sample_episode())
    assert len(recorder) == 6
    assert len(bench.journals()) == 1
    recorder.discard()
    assert list(bench.folder.iterdir()) == []
    assert not any(thread.name == "recorder-sync" for thread in threading.enumerate())


def test_each_step_is_in_the_file_when_append_returns(bench: Bench) -> None:
    episode = sample_episode()
    recorder = bench.recorder()
    [path] = bench.journals()
    assert len(list(read_journal(path))) == 1
    for step in range(len(episode)):
        record_step(recorder, episode, step)
        assert len(list(read_journal(path))) == 2 + step
    recorder.discard()


def test_the_disk_is_flushed_beside_the_control_loop_not_in_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = threading.Event()
    threads: list[str] = []

    def fsync(file: int) -> None:
        threads.append(threading.current_thread().name)
        flushed.set()

    monkeypatch.setattr(recorder_module, "_SYNC_EVERY_S", 0.001)
    monkeypatch.setattr(os, "fsync", fsync)
    recorder = bench.recorder()
    record(recorder, sample_episode())
    assert flushed.wait(10)
    recorder.discard()
    assert set(threads) == {"recorder-sync"}


def test_a_long_session_keeps_no_files_open(bench: Bench) -> None:
    """The recorder lives in one thread and its journal is closed by another: locks must follow."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("open files can be counted on Linux only")
    before = len(list(descriptors.iterdir()))
    recordings = [bench.finished(sample_episode(seed, length=2)) for seed in range(5)]
    bench.write(*recordings)
    assert bench.saved == [1, 2, 3, 4, 5]
    assert len(list(descriptors.iterdir())) == before


@pytest.mark.parametrize("steps", [1, 4, 6])
def test_a_killed_recording_comes_back_as_far_as_it_went(bench: Bench, steps: int) -> None:
    episode = sample_episode(3)
    bench.killed(episode, steps)
    assert recover_recordings(bench.workspace) == [
        f"Recovered an interrupted recording of {steps} frames as episode 1."
    ]
    recovered = bench.load(1)
    assert same_steps(recovered, episode, steps)
    assert recovered.info.success is None, "nobody has judged it"
    assert (recovered.info.seed, recovered.info.model_xml) == (3, episode.info.model_xml)
    assert list(bench.folder.glob(".recording-*")) == []
    assert recover_recordings(bench.workspace) == []
    assert bench.numbers == [1]


@pytest.mark.parametrize("cut", [1, 7, 100, 3000])
def test_a_step_that_was_cut_off_is_left_out(bench: Bench, cut: int) -> None:
    episode = sample_episode()
    path = bench.killed(episode, 5)
    os.truncate(path, path.stat().st_size - cut)
    recover_recordings(bench.workspace)
    assert same_steps(bench.load(1), episode, 4)


def test_what_follows_a_damaged_step_is_left_out(bench: Bench) -> None:
    episode = sample_episode()
    path = bench.killed(episode, 5)
    header, *steps = read_journal(path)
    content = bytearray(path.read_bytes())
    content[8 + len(header) + 2 * (8 + len(steps[0])) + 500] ^= 1  # in the third step
    path.write_bytes(content)
    recover_recordings(bench.workspace)
    assert same_steps(bench.load(1), episode, 2)


@pytest.mark.parametrize("size", [0, 5, 20])
def test_a_recording_killed_before_its_first_step_is_dropped(bench: Bench, size: int) -> None:
    os.truncate(bench.killed(sample_episode(), 0), size)
    assert recover_recordings(bench.workspace) == []
    assert bench.journals() == []
    assert bench.numbers == []


def test_recordings_come_back_in_the_order_in_which_they_were_made(bench: Bench) -> None:
    kept = [bench.killed(sample_episode(seed), 2).rename(bench.workspace.path / str(seed)) for seed in (8, 9)]
    names = [".recording-1700000000000000001-9.journal", ".recording-1700000000000000002-7.journal"]
    for path, name in zip(kept, names, strict=True):
        path.rename(bench.folder / name)
    recover_recordings(bench.workspace)
    assert [summary.seed for summary in Dataset(bench.workspace).summaries()] == [8, 9]


def test_a_recording_in_progress_is_not_recovered(bench: Bench) -> None:
    recorder = bench.recorder()
    record(recorder, sample_episode())
    assert recover_recordings(bench.workspace) == []
    finished = recorder.finish(True, Source.TELEOP)
    assert recover_recordings(bench.workspace) == []
    bench.write(finished)
    assert bench.numbers == [1]


def test_a_finished_recording_that_was_not_written_keeps_its_outcome(bench: Bench) -> None:
    episode = sample_episode(2)
    finished = bench.finished(episode, True)
    assert finished.journal is not None
    finished.journal.close()  # as the end of the process does
    recover_recordings(bench.workspace)
    assert same_steps(bench.load(1), episode)
    assert bench.load(1).info.success is True


def test_a_kill_between_saving_and_tidying_up_makes_no_second_episode(bench: Bench) -> None:
    finished = bench.finished(sample_episode())
    save_episode(bench.folder, finished.episode)
    assert finished.journal is not None
    finished.journal.close()
    assert recover_recordings(bench.workspace) == []
    assert bench.journals() == []
    assert bench.numbers == [1]


def test_the_link_of_an_episode_is_made_up_for_at_the_next_start(bench: Bench) -> None:
    save_episode(bench.folder, sample_episode())
    recover_recordings(bench.workspace)
    assert (bench.workspace.path / "dataset.hdf5").exists()


def test_old_temporary_files_are_removed_and_young_ones_left(bench: Bench) -> None:
    old, young = bench.folder / ".000001.hdf5.aaaa.tmp", bench.workspace.path / ".dataset.hdf5.bbbb.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    recover_recordings(bench.workspace)
    assert not old.exists()
    assert young.exists()


def test_a_journal_that_makes_no_sense_is_reported_and_kept(bench: Bench) -> None:
    path = bench.killed(sample_episode(), 2)
    path.unlink()
    journal = JournalWriter(path)
    journal.append(json.dumps({"task": "lift"}).encode())
    journal.close()
    [sentence] = recover_recordings(bench.workspace)
    assert path.name in sentence
    assert "could not be recovered and is kept" in sentence
    assert path.exists()


def test_recovery_on_a_full_disk_is_made_up_for_later(bench: Bench, disk: Disk) -> None:
    episode = sample_episode()
    bench.killed(episode, 4)
    disk.full = True
    [sentence] = recover_recordings(bench.workspace)
    assert "The disk is full" in sentence
    assert len(bench.journals()) == 1
    disk.full = False
    recover_recordings(bench.workspace)
    assert same_steps(bench.load(1), episode, 4)


def test_only_one_process_at_a_time_recovers_a_journal(bench: Bench) -> None:
    path = bench.killed(sample_episode(), 2)
    with claimed(path) as ours:
        assert ours
        assert recover_recordings(bench.workspace) == []
    assert len(recover_recordings(bench.workspace)) == 1


def test_recording_goes_on_in_memory_when_the_disk_fills(bench: Bench, disk: Disk) -> None:
    episode = sample_episode()
    recorder = bench.recorder()
    for step in range(len(episode)):
        disk.full = step >= 2
        record_step(recorder, episode, step)
    assert len(bench.problems) == 1, "told once"
    assert "No space left on device" in bench.problems[0]
    assert "goes on in memory" in bench.problems[0]
    disk.full = False
    bench.write(recorder.finish(True, Source.TELEOP))
    assert same_steps(bench.load(1), episode)
    assert list(bench.folder.glob(".recording-*")) == []


def test_a_recording_started_on_a_full_disk_can_be_saved_once_there_is_space(bench: Bench, disk: Disk) -> None:
    episode = sample_episode()
    disk.full = True
    recorder = bench.recorder()
    record(recorder, episode)
    disk.full = False
    bench.write(recorder.finish(None, Source.TELEOP))
    assert len(bench.problems) == 1
    assert same_steps(bench.load(1), episode)


def test_a_folder_that_cannot_be_written_is_told_once_and_recording_goes_on(bench: Bench) -> None:
    recorder = Recorder(bench.workspace.path / "workspace.json", sample_info(), bench.problems.append)
    record(recorder, sample_episode())
    assert len(bench.problems) == 1
    assert recorder.finish(True, Source.TELEOP).frames_in_journal == 0


def test_what_did_not_fit_on_the_disk_is_saved_with_the_next_recording(bench: Bench, disk: Disk) -> None:
    first, second = sample_episode(1), sample_episode(2)
    failed = threading.Event()

    def fail(sentence: str) -> None:
        bench.failures.append(sentence)
        failed.set()

    writer = EpisodeWriter(bench.workspace, bench.note_saved, fail)
    recording, following = bench.finished(first), bench.finished(second)
    disk.full = True
    writer.write(recording)
    assert failed.wait(10)
    assert len(bench.journals()) == 2
    disk.full = False
    writer.write(following)
    writer.close()
    assert bench.saved == [1, 2]
    assert [bench.load(number).info.seed for number in (1, 2)] == [1, 2]
    assert same_steps(bench.load(1), first)
    assert len(bench.failures) == 1
    assert "The disk is full while saving the episode." in bench.failures[0]
    assert "kept and saved with the next one, or on closing" in bench.failures[0]
    assert bench.journals() == []


def test_what_never_fits_on_the_disk_comes_back_at_the_next_start(bench: Bench, disk: Disk) -> None:
    episode = sample_episode()
    recording = bench.finished(episode)
    disk.full = True
    bench.write(recording)
    assert bench.saved == []
    assert bench.failures[-1].endswith("The recording is kept and comes back at the next start.")
    disk.full = False
    recover_recordings(bench.workspace)
    assert same_steps(bench.load(1), episode)
    assert bench.load(1).info.success is True


def test_the_person_is_told_how_much_survives_a_disk_that_stays_full(bench: Bench, disk: Disk) -> None:
    episode = sample_episode()
    recorder = bench.recorder()
    record_step(recorder, episode, 0)
    record_step(recorder, episode, 1)
    disk.full = True
    record_step(recorder, episode, 2)
    bench.write(recorder.finish(True, Source.TELEOP))
    assert bench.failures[-1].endswith("Of its 3 frames, the first 2 are kept and come back at the next start.")
    disk.full = False
    recover_recordings(bench.workspace)
    assert same_steps(bench.load(1), episode, 2)
    assert bench.load(1).info.success is None


def test_one_recording_that_cannot_be_saved_does_not_stop_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(folder: Path, episode: Episode) -> int:
        if episode.info.seed == 1:
            raise RuntimeError("odd")
        return save_episode(folder, episode)

    monkeypatch.setattr(recorder_module, "save_episode", picky)
    bench.write(bench.finished(sample_episode(1)), bench.finished(sample_episode(2)))
    assert (bench.saved, bench.saved_seeds) == ([1], [2])
    assert "could not be saved: odd" in bench.failures[0]
    assert len(bench.journals()) == 1


def test_an_episode_counts_as_saved_even_if_its_link_cannot_be_made(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Dataset) -> None:
        raise WorkspaceError("The disk is full.")

    monkeypatch.setattr(Dataset, "rewrite_master", refuse)
    bench.write(bench.finished(sample_episode()))
    assert (bench.saved, bench.failures) == ([1], [])
    assert bench.journals() == []


def test_a_really_full_disk_loses_nothing_and_crashes_nothing(tmp_path: Path) -> None:
    """On a file system of a few hundred kB, in a process of its own: a full disk can crash what writes to it."""
    unshare = shutil.which("unshare")
    mount = f"mount -t tmpfs -o size=700k tmpfs '{tmp_path}'"
    if unshare is None or subprocess.run([unshare, "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("small file systems cannot be mounted here")
    run = f"{mount} && exec '{sys.executable}' '{ON_A_FULL_DISK}' '{tmp_path}'"
    ended = subprocess.run([unshare, "-rm", "sh", "-c", run], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    told = json.loads(ended.stdout)
    assert told["problems"] == 1
    assert "disk is full" in told["failure"]
    assert told["damaged"] == []
    assert told["intact_after_freeing_space"] == [1, 2]
    assert told["leftovers"] == []


def test_kills_at_random_moments_lose_nothing_but_the_step_in_flight() -> None:
    """A handful; the benchmark does thirty by default."""
    command = [sys.executable, "benchmarks/kill_recording.py", "--kills", "3", "--hz", "50", "--longest", "0.4"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    summary = json.loads(ended.stdout)
    assert (summary["finished"], summary["finished_intact"], summary["recovered"]) == (6, 6, 3)
    assert summary["steps"] > 0
    assert summary["steps_lost"] == 0
