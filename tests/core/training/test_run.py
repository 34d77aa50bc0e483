"""Training: progress, stopping and resuming to the same place, and what goes wrong."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from episode_samples import CONFIG, sample_episode
from job_log import JobLog
from numpy.typing import NDArray

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch
from vinn_core.config import TrainJob, preset
from vinn_core.encoder.network import create_encoder, load_encoder
from vinn_core.encoder.store import CHECKPOINT_FILE, HISTORY_FILE, read_stored_encoder
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.errors import DatasetError, EncoderError, VinnError
from vinn_core.progress import Message, StopRequest
from vinn_core.training import learner
from vinn_core.training import run as training
from vinn_core.training.run import train, train_on_workspace
from vinn_core.workspace import Workspace

import torch  # isort: skip  # after torch_setup

SMALL = preset(
    "tiny", image_size=32, grid_size=2, epochs=2, batch_size=4, projection_size=8, hidden_size=16, device="cpu"
)
FRAMES = np.random.default_rng(0).integers(0, 256, (13, 32, 32, 3), dtype=np.uint8)
STEPS = 2 * (13 // 4)


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is reported."""
    monkeypatch.setattr(training, "_REPORT_EVERY_S", -1.0)


def run(
    folder: Path,
    log: JobLog | None = None,
    resume: bool = False,
    frames: NDArray[np.uint8] = FRAMES,
    fingerprint: str = "d",
    **changes: Any,
) -> dict[str, Any]:
    log = log or JobLog()
    return train(
        frames,
        replace(SMALL, **changes),
        folder,
        report=log,
        stop=log.stop,
        resume=resume,
        dataset_fingerprint=fingerprint,
    )


def history_steps(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / HISTORY_FILE).read_text().splitlines()]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of one run from start to end."""
    return run(tmp_path_factory.mktemp("encoders") / "default")


def test_finished_training_leaves_an_encoder_and_no_checkpoint(tmp_path: Path, every_step: None) -> None:
    log = JobLog()
    result = run(tmp_path / "mine", log)
    encoder = load_encoder(tmp_path / "mine")
    assert encoder.fingerprint == result.fingerprint != create_encoder(SMALL.encoder, SMALL.seed).fingerprint
    assert result.name == "mine"
    assert (result.steps, result.frames, result.stopped) == (STEPS, 13, False)
    assert result.origin == "random initialisation, fine-tuned by BYOL on 13 frames"
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["config.json", "encoder.pt", HISTORY_FILE]
    assert history_steps(tmp_path / "mine") == list(range(1, STEPS + 1))
    json.dumps(result.to_dict(), allow_nan=False)


def test_progress_tells_start_weights_steps_curves_and_time_left(tmp_path: Path, every_step: None) -> None:
    log = JobLog()
    run(tmp_path / "mine", log)
    assert Message("Training starts from: random initialisation.") in log.events
    assert [event.done for event in log.progress] == list(range(STEPS + 1))
    assert {event.total for event in log.progress} == {STEPS}
    assert log.progress[-1].seconds_left == 0.0
    assert all(0 < metrics.loss <= 8 and 0 < metrics.collapse < 2 for metrics in log.metrics)
    assert log.metrics[-1].epoch == 2.0
    assert all(metrics.images_per_second > 0 and metrics.learning_rate > 0 for metrics in log.metrics)


def test_few_frames_are_passed_over_more_often(tmp_path: Path, every_step: None) -> None:
    log = JobLog()
    assert run(tmp_path / "few", log, fewest_steps=STEPS + 5).steps == STEPS + 5
    assert log.progress[-1].total == STEPS + 5
    assert log.metrics[-1].epoch == pytest.approx((STEPS + 5) / 3)
    assert run(tmp_path / "enough", fewest_steps=STEPS - 1).steps == STEPS
    assert run(tmp_path / "untrained", epochs=0, fewest_steps=STEPS).steps == 0


class TickingClock:
    """Time goes on by a tenth of a second whenever somebody looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def test_progress_comes_a_few_times_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "monotonic", TickingClock())
    log = JobLog()
    run(tmp_path / "mine", log, epochs=4)
    steps = [metrics.step for metrics in log.metrics]
    assert steps == [2, 5, 8, 11, 12]  # 0.3 s apart, and the end


def test_time_left_follows_the_steps_and_the_time_limit(
    tmp_path: Path, every_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "monotonic", TickingClock())
    log = JobLog()
    run(tmp_path / "by-steps", log, epochs=4)  # 12 steps of 0.1 s
    assert log.progress[8].seconds_left == pytest.approx(0.4, abs=0.05)
    log = JobLog()
    result = run(tmp_path / "by-time", log, epochs=4, max_minutes=0.6 / 60)
    assert result.steps == 6
    assert result.stopped is False
    assert log.progress[4].seconds_left == pytest.approx(0.2, abs=0.05)
    assert log.progress[-1].total == 6


def test_same_seed_gives_the_same_encoder_and_another_seed_another(
    tmp_path: Path, uninterrupted: dict[str, Any]
) -> None:
    assert run(tmp_path / "again").fingerprint == uninterrupted.fingerprint
    assert run(tmp_path / "other", seed=1).fingerprint != uninterrupted.fingerprint


def test_no_epochs_keep_the_start_weights(tmp_path: Path) -> None:
    log = JobLog()
    result = run(tmp_path / "mine", log, epochs=0)
    assert result.fingerprint == create_encoder(SMALL.encoder, SMALL.seed).fingerprint
    assert (result.loss, result.collapse, result.steps) == (None, None, 0)
    assert result.origin == "random initialisation, not trained"
    assert log.metrics == []
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("stops", [(1,), (2, 5)])
def test_stopped_and_resumed_training_ends_bit_equal_to_one_never_stopped(
    stops: tuple[int, ...], tmp_path: Path, every_step: None, uninterrupted: dict[str, Any]
) -> None:
    folder = tmp_path / "mine"
    for number, stop_at in enumerate(stops):
        stopped = run(folder, JobLog(stop_at), resume=number > 0)
        assert (stopped.stopped, stopped.steps) == (True, stop_at)
        assert sorted(path.name for path in folder.iterdir()) == [CHECKPOINT_FILE, HISTORY_FILE]
    result = run(folder, resume=True)
    assert result.fingerprint == uninterrupted.fingerprint
    assert result.loss == uninterrupted.loss
    assert history_steps(folder) == list(range(1, STEPS + 1))
    assert not (folder / CHECKPOINT_FILE).exists()


@pytest.mark.parametrize("changes", [{"frozen_stages": 2, "fix_batchnorm": True}, {"feature": "global", "crop": 0.6}])
def test_resuming_is_exact_for_other_kinds_of_training_too(
    changes: dict[str, Any], tmp_path: Path, every_step: None
) -> None:
    whole = run(tmp_path / "whole", epochs=1, **changes)
    run(tmp_path / "mine", JobLog(stop_at=2), epochs=1, **changes)
    assert run(tmp_path / "mine", resume=True, epochs=1, **changes).fingerprint == whole.fingerprint


def test_stop_before_the_first_step_leaves_a_checkpoint_too(tmp_path: Path, uninterrupted: dict[str, Any]) -> None:
    log = JobLog()
    log.stop.set()
    assert run(tmp_path / "mine", log).steps == 0
    assert run(tmp_path / "mine", resume=True).fingerprint == uninterrupted.fingerprint


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {tests!r}
import test_run as t
from vinn_core.progress import TrainingMetrics

t.torch.set_num_threads(1)
t.training._CHECKPOINT_EVERY_S = t.training._REPORT_EVERY_S = -1.0
folder = Path({folder!r})

def report(event):
    if isinstance(event, TrainingMetrics) and event.step == 4:  # its checkpoint is not written yet: step 3's counts
        os.kill(os.getpid(), signal.SIGKILL)

t.train(t.FRAMES, t.SMALL, folder, report=report, stop=t.StopRequest(), dataset_fingerprint="d")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_killed_training_resumes_from_its_last_checkpoint_to_the_same_place(
    tmp_path: Path, every_step: None, uninterrupted: dict[str, Any]
) -> None:
    folder = tmp_path / "mine"
    here = Path(__file__).parent
    program = KILLED_RUN.format(tests=[str(here), str(here.parent)], folder=str(folder))
    killed = subprocess.run([sys.executable, "-c", program], cwd=here.parents[2], capture_output=True, timeout=200)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    history = folder / HISTORY_FILE
    last = json.loads(history.read_text().splitlines()[-1])
    assert last["step"] == 3
    with history.open("a") as file:
        file.write(json.dumps({**last, "step": 4}) + '\n{"step": 5, "epo')  # noted after the checkpoint, and cut short
    log = JobLog()
    result = run(folder, log, resume=True)
    assert log.metrics[0].step == 4
    assert result.fingerprint == uninterrupted.fingerprint
    assert history_steps(folder) == list(range(1, STEPS + 1))


def test_checkpoints_are_kept_while_training(tmp_path: Path, every_step: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_CHECKPOINT_EVERY_S", -1.0)
    seen: list[bool] = []
    train(
        FRAMES,
        SMALL,
        tmp_path / "mine",
        report=lambda _: seen.append((tmp_path / "mine" / CHECKPOINT_FILE).exists()),
        stop=StopRequest(),
    )
    assert seen[-1]
    assert not (tmp_path / "mine" / CHECKPOINT_FILE).exists()


def test_new_training_forgets_the_stopped_one(tmp_path: Path, every_step: None) -> None:
    run(tmp_path / "mine", JobLog(stop_at=2))
    result = run(tmp_path / "mine", epochs=1)
    assert result.steps == 3
    assert history_steps(tmp_path / "mine") == [1, 2, 3]
    with pytest.raises(EncoderError, match="no checkpoint to resume"):
        run(tmp_path / "mine", resume=True)


def test_stopped_training_leaves_the_encoder_that_was_there(
    tmp_path: Path, every_step: None, uninterrupted: dict[str, Any]
) -> None:
    run(tmp_path / "mine")
    run(tmp_path / "mine", JobLog(stop_at=1), seed=5)
    assert load_encoder(tmp_path / "mine").fingerprint == uninterrupted.fingerprint


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"learning_rate": 0.01}, "settings"), ({"epochs": 9}, "settings"), ({"fingerprint": "other"}, "episodes")],
)
def test_resuming_with_other_settings_or_episodes_is_refused(
    changes: dict[str, Any], what: str, tmp_path: Path, every_step: None
) -> None:
    run(tmp_path / "mine", JobLog(stop_at=1))
    with pytest.raises(EncoderError, match=f"the checkpoint of encoder 'mine' belongs to other {what}"):
        run(tmp_path / "mine", resume=True, **changes)
    assert run(tmp_path / "mine", resume=True).stopped is False  # it is still there


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda _: b"something else"])
def test_damaged_checkpoint_is_refused(damage: Callable[[bytes], bytes], tmp_path: Path, every_step: None) -> None:
    run(tmp_path / "mine", JobLog(stop_at=1))
    file = tmp_path / "mine" / CHECKPOINT_FILE
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(EncoderError, match="the checkpoint of encoder 'mine' is damaged; train it again without"):
        run(tmp_path / "mine", resume=True)


@pytest.mark.parametrize(("full_at", "doing"), [("checkpoint.pt", "saving the checkpoint"), ("encoder.pt", "saving")])
def test_full_disk_is_told_and_leaves_the_previous_encoder(
    full_at: str, doing: str, tmp_path: Path, every_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(tmp_path / "mine").fingerprint
    write_bytes = Path.write_bytes

    def write_or_fail(path: Path, data: Any) -> int:
        if full_at in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", write_or_fail)
    monkeypatch.setattr(training, "_CHECKPOINT_EVERY_S", -1.0)
    with pytest.raises(EncoderError, match=f"The disk is full while {doing}"):
        run(tmp_path / "mine", seed=5)
    assert load_encoder(tmp_path / "mine").fingerprint == before
    assert not list((tmp_path / "mine").glob(".*"))


def test_diverging_training_is_told_with_a_cure(
    tmp_path: Path, every_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(tmp_path / "mine").fingerprint
    # Weights grow beyond what float32 holds within a step or two.
    monkeypatch.setattr(learner, "learning_rate", lambda *_: 1e30)
    with pytest.raises(EncoderError, match=r"training diverged .* learning rate below 0.001, such as 0.0001"):
        run(tmp_path / "mine", seed=5, weight_decay=0.0)
    assert load_encoder(tmp_path / "mine").fingerprint == before


def test_too_little_gpu_memory_is_told_with_a_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(learner.Learner, "_follow", no_room)
    with pytest.raises(EncoderError, match="too small for batch_size = 4 at 32 pixels; use a smaller batch"):
        run(tmp_path / "mine")


@pytest.mark.parametrize("feature", ["grid", "global"])
def test_a_single_frame_can_be_trained_on(feature: str, tmp_path: Path) -> None:
    result = run(tmp_path / "mine", frames=FRAMES[:1], feature=feature)
    assert result.steps == 2
    assert np.isfinite(load_encoder(tmp_path / "mine").embed(FRAMES)).all()


def test_no_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no frames to train on. Record at least one demonstration"):
        run(tmp_path / "mine", frames=FRAMES[:0])


def train_in(workspace: Workspace, log: JobLog | None = None, resume: bool = False, **changes: Any) -> dict[str, Any]:
    log = log or JobLog()
    return train_on_workspace(
        workspace, TrainJob("default", train=replace(SMALL, **changes), resume=resume), report=log, stop=log.stop
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace", CONFIG)


def test_without_episodes_training_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(DatasetError, match="There are no episodes yet. Record at least one demonstration"):
        train_in(workspace)
    assert not (workspace.encoders_folder / "default").exists()


def test_one_episode_is_enough_and_failed_ones_count(workspace: Workspace) -> None:
    save_episode(workspace.episodes_folder, sample_episode(0, length=5))
    assert train_in(workspace).frames == 5
    save_episode(workspace.episodes_folder, sample_episode(1, length=7, success=False))
    result = train_in(workspace, cameras=("wrist", "front"))
    assert result.frames == 2 * (5 + 7)
    stored = read_stored_encoder(workspace.encoders_folder / "default")
    assert (stored.frames, stored.train.cameras, stored.fingerprint) == (24, ("wrist", "front"), result.fingerprint)
    assert load_encoder(workspace.encoders_folder / "default").cameras == ("wrist", "front")


def test_missing_camera_is_named_with_those_there_are(workspace: Workspace) -> None:
    save_episode(workspace.episodes_folder, sample_episode())
    with pytest.raises(DatasetError, match="no camera 'top' in 000001.hdf5; it has: front, wrist"):
        train_in(workspace, cameras=("wrist", "top"))


def test_damaged_episodes_are_named_and_left_out(workspace: Workspace) -> None:
    save_episode(workspace.episodes_folder, sample_episode(0, length=5))
    save_episode(workspace.episodes_folder, sample_episode(1, length=5))
    (workspace.episodes_folder / "000002.hdf5").write_bytes(b"not HDF5")
    log = JobLog()
    assert train_in(workspace, log).frames == 5
    warnings = [event.text for event in log.events if isinstance(event, Message) and event.level == "warning"]
    assert len(warnings) == 1
    assert "000002.hdf5 is damaged" in warnings[0]
    assert "left out" in warnings[0]


def test_pictures_of_different_sizes_are_refused(workspace: Workspace) -> None:
    save_episode(workspace.episodes_folder, sample_episode(0, size=32))
    save_episode(workspace.episodes_folder, sample_episode(1, size=40))
    with pytest.raises(VinnError, match="episode 2 are 40 x 40 pixels, those of episode 1 32 x 32"):
        train_in(workspace)


def test_resuming_after_more_episodes_were_recorded_is_refused(workspace: Workspace, every_step: None) -> None:
    save_episode(workspace.episodes_folder, sample_episode(0, length=8))
    assert train_in(workspace, JobLog(stop_at=1)).stopped
    number = save_episode(workspace.episodes_folder, sample_episode(1, length=8))
    with pytest.raises(EncoderError, match="belongs to other episodes"):
        train_in(workspace, resume=True)
    Dataset(workspace).delete([number])
    assert train_in(workspace, resume=True).steps == 4


@pytest.mark.usefixtures("every_step")
def test_training_resumes_although_replacing_the_encoder_was_cut_short(tmp_path: Path, uninterrupted: Any) -> None:
    assert run(tmp_path / "mine", JobLog(stop_at=2)).stopped
    (tmp_path / "mine").rename(tmp_path / ".mine.old")
    assert run(tmp_path / "mine", resume=True).fingerprint == uninterrupted.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_training_that_cannot_be_stored_is_not_lost(
    tmp_path: Path, uninterrupted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise EncoderError("The disk is full while saving the encoder.")

    monkeypatch.setattr(training, "save_encoder", full)
    with pytest.raises(EncoderError, match="disk is full"):
        run(tmp_path / "mine")
    monkeypatch.undo()
    log = JobLog()
    assert run(tmp_path / "mine", log, resume=True).fingerprint == uninterrupted.fingerprint
    assert log.metrics == []  # nothing was trained again
