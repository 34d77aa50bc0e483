"""The probe while training: what is measured and when, what is kept, and that training does not feel it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from episode_samples import CONFIG, sample_episode
from job_log import JobLog

from vinn_core.config import IndexConfig, TrainJob, preset
from vinn_core.encoder.history import ProbeCurve
from vinn_core.encoder.network import Encoder, create_encoder, load_encoder
from vinn_core.encoder.store import CONFIG_FILE, read_stored_encoder
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.errors import EncoderError
from vinn_core.progress import ProbeMeasured, StopRequest, TrainingMetrics
from vinn_core.retrieval.action_error import ActionError
from vinn_core.retrieval.rows import collect_rows
from vinn_core.training import held_frames
from vinn_core.training import run as training
from vinn_core.training.held_frames import HeldFrames, hold_frames
from vinn_core.training.run import train_on_workspace
from vinn_core.workspace import Workspace

SMALL = preset(
    "tiny", image_size=32, grid_size=2, epochs=3, batch_size=8, projection_size=8, hidden_size=16, device="cpu"
)
FRAMES = 24
STEPS_PER_EPOCH = 3
START_KEPT = "BYOL did not improve the action error on this data; the start weights were kept."


@pytest.fixture(autouse=True)
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is reported."""
    monkeypatch.setattr(training, "_REPORT_EVERY_S", -1.0)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    opened = Workspace.open(tmp_path / "workspace", CONFIG)
    for seed in range(3):
        save_episode(opened.episodes_folder, sample_episode(seed, length=FRAMES // 3))
    return opened


def run(workspace: Workspace, log: JobLog | None = None, resume: bool = False, **changes: Any) -> dict[str, Any]:
    log = log or JobLog()
    return train_on_workspace(
        workspace, TrainJob("mine", train=replace(SMALL, **changes), resume=resume), report=log, stop=log.stop
    )


def pretend_errors(monkeypatch: pytest.MonkeyPatch, *errors: float) -> None:
    """The probe finds these errors, one after the other."""
    left = iter(errors)
    monkeypatch.setattr(HeldFrames, "action_error", lambda *_: ActionError(next(left), 0.1, 0.2, 0.3))


def test_probe_is_measured_at_the_start_and_after_every_epoch(workspace: Workspace) -> None:
    log = JobLog()
    result = run(workspace, log)
    assert [point.epoch for point in log.probes] == [0.0, 1.0, 2.0, 3.0]
    places = [place for place, event in enumerate(log.events) if isinstance(event, ProbeMeasured)]
    before = [sum(isinstance(event, TrainingMetrics) for event in log.events[:place]) for place in places]
    assert before == [0, STEPS_PER_EPOCH, 2 * STEPS_PER_EPOCH, 3 * STEPS_PER_EPOCH]
    assert all(0 < point.relative < 3 and 0 <= point.gripper <= 1 for point in log.probes)
    assert len({point.relative for point in log.probes}) > 1
    assert result.probe.points == tuple(log.probes)


def test_first_point_is_the_action_error_of_the_start_weights(workspace: Workspace) -> None:
    log = JobLog()
    run(workspace, log)
    held = hold_frames(Dataset(workspace).summaries(), SMALL.cameras)
    assert held is not None
    error = held.action_error(create_encoder(SMALL.encoder, SMALL.seed, SMALL.cameras), StopRequest())
    assert error is not None
    assert log.probes[0].relative == pytest.approx(error.relative, rel=1e-3)
    assert log.probes[0].linear == pytest.approx(error.linear, rel=1e-3)


@pytest.mark.parametrize("changes", [{}, {"frozen_stages": 2, "fix_batchnorm": True}, {"cameras": ("wrist", "front")}])
def test_training_takes_the_same_course_with_and_without_the_probe(
    changes: dict[str, Any], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed = run(workspace, **changes)
    monkeypatch.setattr(training, "hold_frames", lambda *_: None)
    log = JobLog()
    assert run(workspace, log, **changes).fingerprint == probed.fingerprint
    assert log.probes == []


def test_best_weights_are_kept(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_errors(monkeypatch, 0.9, 0.5, 0.7, 0.6)
    best = run(workspace, keep="best")
    pretend_errors(monkeypatch, 0.9, 0.5, 0.7, 0.6)
    last = run(workspace, keep="last")
    assert best.fingerprint != last.fingerprint
    assert (best.probe.chosen_epoch, last.probe.chosen_epoch) == (1.0, 3.0)
    assert (best.steps, best.loss) == (last.steps, last.loss)


def test_kept_encoder_has_the_error_that_was_measured(workspace: Workspace) -> None:
    log = JobLog()
    chosen = run(workspace, log, keep="best").probe.chosen_epoch
    held = hold_frames(Dataset(workspace).summaries(), SMALL.cameras)
    assert held is not None
    error = held.action_error(load_encoder(workspace.encoders_folder / "mine"), StopRequest())
    assert error is not None
    smallest = min(log.probes, key=lambda point: point.relative)
    assert chosen == smallest.epoch
    assert error.relative == pytest.approx(smallest.relative, rel=1e-3)


def test_start_weights_are_kept_and_said_so_when_training_never_improved_them(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_errors(monkeypatch, 0.5, 0.6, 0.5, 0.7)
    log = JobLog()
    result = run(workspace, log, keep="best")
    assert result.fingerprint == create_encoder(SMALL.encoder, SMALL.seed).fingerprint
    assert result.origin == "random initialisation, kept, as BYOL did not improve the action error"
    assert START_KEPT in log.sentences
    assert result.probe.in_words() == "action error 0.50 (start weights, which were kept)"
    pretend_errors(monkeypatch, 0.5, 0.6, 0.5, 0.7)
    log = JobLog()
    assert run(workspace, log, keep="last").fingerprint != result.fingerprint
    assert START_KEPT not in log.sentences


def test_training_ends_when_patience_does(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_errors(monkeypatch, 0.9, 0.5, 0.7, 0.6, 0.4)
    log = JobLog()
    result = run(workspace, log, epochs=9, patience=2, keep="best")
    assert (result.stopped, result.steps) == (False, 3 * STEPS_PER_EPOCH)
    assert result.probe.chosen_epoch == 1.0
    assert "Training ended early: the action error did not become smaller for 2 epochs." in log.sentences
    pretend_errors(monkeypatch, *[0.5] * 10)
    assert run(workspace, epochs=9, patience=0).steps == 9 * STEPS_PER_EPOCH


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize(
    "stops",
    [
        [JobLog(stop_at=1)],
        [JobLog(stop_at_probe=0.0), JobLog(stop_at=STEPS_PER_EPOCH)],
        [JobLog(stop_at_probe=1.0), JobLog(stop_at=8)],
        [JobLog(stop_at=3 * STEPS_PER_EPOCH)],
    ],
    ids=["within an epoch", "between epoch and probe", "after the best", "before the last probe"],
)
def test_stopped_and_resumed_training_measures_and_keeps_the_same(
    keep: str, stops: list[JobLog], workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The errors follow from the weights, but so that the best epoch is neither the first nor the last.
    real = HeldFrames.action_error
    by_error: dict[float, float] = {}
    found = iter([0.9, 0.4, 0.6, 0.5])

    def shuffled(held: HeldFrames, encoder: Any, stop: StopRequest) -> ActionError | None:
        error = real(held, encoder, stop)
        if error is None:
            return None
        if error.relative not in by_error:
            by_error[error.relative] = next(found)
        return replace(error, relative=by_error[error.relative])

    monkeypatch.setattr(HeldFrames, "action_error", shuffled)
    whole_log = JobLog()
    whole = run(workspace, whole_log, keep=keep)
    assert whole.probe.chosen_epoch == (1.0 if keep == "best" else 3.0)
    for number, log in enumerate(stops):
        again = JobLog(log.stop_at, log.stop_at_probe)
        assert run(workspace, again, resume=number > 0, keep=keep).stopped
    last_log = JobLog()
    resumed = run(workspace, last_log, resume=True, keep=keep)
    assert resumed.fingerprint == whole.fingerprint
    assert resumed.probe == whole.probe
    assert last_log.probes == whole_log.probes  # those before the stop are told again


def test_stop_during_a_probe_is_heeded_at_once_and_the_point_measured_later(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = JobLog()
    run(workspace, whole)
    log = JobLog()
    monkeypatch.setattr(held_frames, "BATCH", 4)
    embed, embedded = Encoder.embed, []

    def embed_and_stop(encoder: Any, frames: Any) -> Any:
        embedded.append(len(frames))
        log.stop.set()
        return embed(encoder, frames)

    with monkeypatch.context() as patch:
        patch.setattr(Encoder, "embed", embed_and_stop)
        assert run(workspace, log).stopped
    assert embedded == [4]
    assert log.probes == []
    resumed = JobLog()
    run(workspace, resumed, resume=True)
    assert [point.epoch for point in resumed.probes] == [0.0, 1.0, 2.0, 3.0]


def test_long_trainings_are_probed_less_often_and_at_the_end(workspace: Workspace) -> None:
    log = JobLog()
    run(workspace, log, epochs=11)
    # 24 images at a quarter of the cost of the 24 of an epoch: after every third, it is 8 % of the time.
    assert [point.epoch for point in log.probes] == [0.0, 3.0, 6.0, 9.0, 11.0]


def test_without_training_nothing_is_probed(workspace: Workspace) -> None:
    log = JobLog()
    assert run(workspace, log, epochs=0).probe.to_dict() == {
        "points": (),
        "chosen_epoch": None,
        "start_counts": True,
        "held_out": None,
    }
    assert log.probes == []
    assert read_stored_encoder(workspace.encoders_folder / "mine").probe is None


@pytest.mark.parametrize("second", [None, {"success": False}], ids=["one episode", "the other failed"])
def test_fewer_than_two_demonstrations_are_not_probed_which_is_said_once(
    second: dict[str, Any] | None, tmp_path: Path
) -> None:
    workspace = Workspace.open(tmp_path / "other", CONFIG)
    save_episode(workspace.episodes_folder, sample_episode(0, length=8))
    if second is not None:
        save_episode(workspace.episodes_folder, sample_episode(1, length=8, **second))
    log = JobLog()
    result = run(workspace, log, keep="best", patience=1)
    assert result.stopped is False
    assert log.probes == []
    assert len([text for text in log.sentences if "needs at least two demonstrations" in text]) == 1


def test_stored_encoder_tells_curve_and_choice_and_older_ones_load(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_errors(monkeypatch, 0.62, 0.48, 0.55, 0.51)
    run(workspace, keep="best")
    folder = workspace.encoders_folder / "mine"
    stored = read_stored_encoder(folder)
    assert stored.probe is not None
    assert [point.relative for point in stored.probe.points] == [0.62, 0.48, 0.55, 0.51]
    assert stored.probe.in_words() == "action error 0.62 -> 0.48 (start weights -> epoch 1 of 3, the best)"
    values = json.loads((folder / CONFIG_FILE).read_text())
    del values["probe"], values["train"]["keep"], values["train"]["patience"]  # as before there was a probe
    (folder / CONFIG_FILE).write_text(json.dumps(values))
    old = read_stored_encoder(folder)
    assert (old.probe, old.train.keep, old.train.patience) == (None, "last", 0)
    assert load_encoder(folder).fingerprint == stored.fingerprint


def test_the_last_weights_in_words(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_errors(monkeypatch, 0.62, 0.55, 0.5, 0.48)
    curve = run(workspace).probe
    assert curve.in_words() == "action error 0.62 -> 0.48 (start weights -> trained)"
    assert ProbeCurve().in_words() == ""


def test_undefined_features_are_told_as_divergence(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoder, "embed", lambda _, frames: np.full((len(frames), 4), np.nan, np.float32))
    with pytest.raises(EncoderError, match=r"diverged at step 0 \(the encoder gives infinite or undefined features\)"):
        run(workspace)


class Brightness:
    """An encoder whose features tell which frames it was shown."""

    fingerprint = "b"
    cameras = ("wrist", "front")

    def embed(self, frames: Any) -> Any:
        return frames.reshape(len(frames), -1)[:, :7].astype(np.float32)


def test_held_frames_are_rows_of_the_index(workspace: Workspace) -> None:
    summaries = Dataset(workspace).summaries()
    held = hold_frames(summaries, Brightness.cameras)
    rows = collect_rows(
        summaries,
        Brightness(),
        encoder_name="b",
        leave_out_idle=IndexConfig().leave_out_idle,
        cache={},
        report=lambda _: None,
        stop=StopRequest(),
    )
    assert held is not None
    assert rows is not None
    assert np.array_equal(held.actions, rows.actions)
    assert np.array_equal(held.episodes, rows.episodes)
    assert np.array_equal(held.proprioception, rows.proprioception)
    for camera in Brightness.cameras:
        assert np.array_equal(Brightness().embed(held.images[camera]), rows.features[camera])


def test_many_demonstrations_are_sampled_whole_and_long_ones_with_gaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_frames, "MOST_FRAMES", 40)
    workspace = Workspace.open(tmp_path / "other", CONFIG)
    for seed in range(20):
        save_episode(workspace.episodes_folder, sample_episode(seed, length=4))
    held = hold_frames(Dataset(workspace).summaries(), ("wrist",))
    assert held is not None
    numbers, lengths = np.unique(held.episodes, return_counts=True)
    assert list(numbers) == [1, 3, 5, 7, 9, 12, 14, 16, 18, 20]
    assert set(lengths) == {4}
    monkeypatch.setattr(held_frames, "MOST_FRAMES", 16)
    held = hold_frames(Dataset(workspace).summaries(), ("wrist",))
    assert held is not None
    numbers, lengths = np.unique(held.episodes, return_counts=True)
    assert len(numbers) == held_frames.FEWEST_DEMONSTRATIONS
    assert set(lengths) == {2}
