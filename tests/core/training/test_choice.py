"""Start weights against trained ones at the end of a training: what is compared, what is kept, and what is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from episode_samples import CONFIG, sample_episode

from vinn_core.config import FEWEST_COMPARED_DEMONSTRATIONS, TrainJob, preset
from vinn_core.encoder.history import HeldOutErrors, ProbeCurve
from vinn_core.encoder.network import create_encoder
from vinn_core.encoder.store import read_stored_encoder
from vinn_core.episodes.dataset import save_episode
from vinn_core.errors import EncoderError
from vinn_core.progress import JobEvent, Message, ProbeMeasured, StageProgress, StopRequest
from vinn_core.retrieval.action_error import ActionError
from vinn_core.retrieval.embedding import FrameEncoder
from vinn_core.training import choice as encoder_choice
from vinn_core.training.choice import compare_with_start, held_out_error
from vinn_core.training.held_frames import HeldFrames
from vinn_core.training.run import train_on_workspace
from vinn_core.workspace import Workspace

SMALL = preset(
    "tiny",
    image_size=32,
    grid_size=2,
    epochs=2,
    batch_size=8,
    projection_size=8,
    hidden_size=16,
    compare_with_start=True,
    device="cpu",
)


class Seeing:
    """Its features are the first pixels of the frame, which `held` makes tell where the arm is."""

    fingerprint = "seeing"
    cameras = ("wrist",)

    def embed(self, frames: Any) -> Any:
        return frames.reshape(len(frames), -1)[:, :3].astype(np.float32)


class Blind(Seeing):
    """Its features are noise."""

    fingerprint = "blind"

    def embed(self, frames: Any) -> Any:
        return np.random.default_rng(len(frames)).normal(size=(len(frames), 3)).astype(np.float32)


class Undefined(Seeing):
    def embed(self, frames: Any) -> Any:
        return np.full((len(frames), 3), np.nan, dtype=np.float32)


def demonstrations_held(number: int, length: int) -> HeldFrames:
    """`number` demonstrations of `length` frames each; the arm moves against where it is."""
    frames = number * length
    positions = np.random.default_rng(0).uniform(-1, 1, (frames, 3))
    images = np.zeros((frames, 2, 2, 3), dtype=np.uint8)
    images[:, 0, 0] = np.round(127 * (positions + 1))
    actions = np.column_stack([-0.1 * positions, np.zeros((frames, 3)), positions[:, 2] > 0])
    return HeldFrames(
        {"wrist": images},
        np.zeros((frames, 5)),
        actions.astype(np.float32),
        np.repeat(np.arange(1, number + 1), length).astype(np.int32),
    )


@pytest.fixture(scope="module")
def held() -> HeldFrames:
    """So few demonstrations that each is left out once, of five indexes."""
    return demonstrations_held(20, 40)


@pytest.fixture(scope="module")
def many_held() -> HeldFrames:
    """As many frames, of so many demonstrations that those left out of one index are enough."""
    return demonstrations_held(100, 8)


def test_an_encoder_that_sees_errs_less_than_one_that_does_not(held: HeldFrames) -> None:
    seeing = held_out_error(held, Seeing(), StopRequest())
    blind = held_out_error(held, Blind(), StopRequest())
    assert seeing is not None
    assert blind is not None
    assert seeing < 0.2 * blind


def test_the_error_is_the_same_each_time(many_held: HeldFrames) -> None:
    error = held_out_error(many_held, Seeing(), StopRequest())
    assert error is not None
    assert held_out_error(many_held, Seeing(), StopRequest()) == error


def test_whole_demonstrations_are_left_out(held: HeldFrames) -> None:
    """Features that tell the demonstration and nothing else tell nothing of another one."""
    numbered = HeldFrames(
        {"wrist": np.repeat(held.episodes.astype(np.uint8), 12).reshape(800, 2, 2, 3)},
        held.proprioception,
        np.random.default_rng(1).normal(size=(20, 7)).astype(np.float32)[held.episodes - 1],
        held.episodes,
    )
    error = held_out_error(numbered, Seeing(), StopRequest())
    assert error is not None
    assert error > 0.5


def test_the_learnt_metric_counts(many_held: HeldFrames, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a metric that finds all frames equally near, only one plane is left, and these actions are no plane."""
    positions = many_held.images["wrist"][:, 0, 0, 0] / 127.0 - 1.0
    actions = np.zeros_like(many_held.actions)
    actions[:, 0] = np.abs(positions)
    bent = HeldFrames(many_held.images, many_held.proprioception, actions, many_held.episodes)
    learnt = held_out_error(bent, Seeing(), StopRequest())
    monkeypatch.setattr(encoder_choice, "learn_metric", lambda embeddings, *_, **__: np.zeros((embeddings.shape[1], 2)))
    without = held_out_error(bent, Seeing(), StopRequest())
    assert learnt is not None
    assert without is not None
    assert learnt < 0.5 * without


def test_undefined_features_are_told(held: HeldFrames) -> None:
    with pytest.raises(FloatingPointError, match="infinite or undefined features"):
        held_out_error(held, Undefined(), StopRequest())


def record(folder: Path, demonstrations: int) -> Workspace:
    workspace = Workspace.open(folder, CONFIG)
    for seed in range(demonstrations):
        save_episode(workspace.episodes_folder, sample_episode(seed, length=6))
    return workspace


def test_both_are_compared_in_their_order_with_progress(many_held: HeldFrames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_choice, "hold_frames", lambda *_, **__: many_held)
    events: list[JobEvent] = []
    errors = compare_with_start((), Blind(), Seeing(), report=events.append, stop=StopRequest())
    assert errors is not None
    assert errors.trained < 0.2 * errors.start
    assert not errors.training_made_it_worse
    harm = compare_with_start((), Seeing(), Blind(), report=events.append, stop=StopRequest())
    assert harm is not None
    assert harm.training_made_it_worse
    last = events[-1]
    assert isinstance(last, StageProgress)
    assert last.done == last.total == 2 * len(many_held)


def test_a_stop_is_heeded_while_comparing(held: HeldFrames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_choice, "hold_frames", lambda *_, **__: held)
    stop, seen = StopRequest(), []

    class Stopping(Seeing):
        def embed(self, frames: Any) -> Any:
            seen.append(len(frames))
            stop.set()
            return super().embed(frames)

    assert compare_with_start((), Stopping(), Seeing(), report=lambda _: None, stop=stop) is None
    assert len(seen) == 1


class Run:
    """A training whose comparison finds `errors`, or is stopped."""

    def __init__(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workspace = workspace
        self.events: list[JobEvent] = []
        self._patch = monkeypatch

    def __call__(self, errors: HeldOutErrors | None, stop: bool = False, resume: bool = False, **changes: Any) -> Any:
        asked = StopRequest()

        def compare(_: Sequence[Any], start: FrameEncoder, trained: FrameEncoder, **__: Any) -> HeldOutErrors | None:
            assert start.fingerprint == START
            assert trained.fingerprint != START
            if stop:
                asked.set()
            return errors

        self._patch.setattr(encoder_choice, "compare_with_start", compare)
        config = preset("tiny", **{**SMALL.to_dict(), **changes})
        return train_on_workspace(
            self.workspace, TrainJob("mine", train=config, resume=resume), report=self.events.append, stop=asked
        )

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message) and event.level == "warning"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(encoder_choice, "FEWEST_COMPARED_DEMONSTRATIONS", 3)
    return Run(record(tmp_path / "workspace", 3), monkeypatch)


START = create_encoder(SMALL.encoder, SMALL.seed).fingerprint


def test_start_weights_are_kept_and_said_so_when_training_made_it_worse(run: Run) -> None:
    result = run(HeldOutErrors(0.059, 0.0624))
    assert result.fingerprint == START
    [warning] = run.warnings
    assert warning == (
        "BYOL did harm on this data: velocity error on demonstrations left out of the index 59 -> 62.4 mm/s. "
        "The start weights were kept."
    )
    stored = read_stored_encoder(run.workspace.encoders_folder / "mine")
    assert stored.origin == "random initialisation, kept, as the policy errs more after BYOL"
    assert stored.probe is not None
    assert stored.probe.held_out == HeldOutErrors(0.059, 0.0624)
    assert stored.probe.in_words() == (
        "velocity error on demonstrations left out of the index 59 -> 62.4 mm/s "
        "(start weights -> trained; the start weights were kept)"
    )


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        (HeldOutErrors(0.0596, 0.0565), "59.6 -> 56.5 mm/s (start weights -> trained)"),
        (HeldOutErrors(0.05, 0.0514), "50 -> 51.4 mm/s (start weights -> trained; too small a difference to matter)"),
    ],
)
def test_trained_weights_are_kept_unless_clearly_worse(errors: HeldOutErrors, words: str, run: Run) -> None:
    result = run(errors)
    assert result.fingerprint == run(None, compare_with_start=False).fingerprint != START
    assert run.warnings == []
    assert result.probe.chosen_epoch == 2.0
    told = result.probe.in_words()
    assert told == f"velocity error on demonstrations left out of the index {words}"


def test_few_demonstrations_are_not_compared_and_the_probe_chooses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder_choice, "FEWEST_COMPARED_DEMONSTRATIONS", 4)
    errors = iter([0.4, 0.5, 0.6])
    monkeypatch.setattr(HeldFrames, "action_error", lambda *_: ActionError(next(errors), 0.1, 0.2, 0.3))
    result = run(HeldOutErrors(0.06, 0.05), keep="best")
    assert result.fingerprint == START
    assert result.probe.held_out is None


def test_an_episode_deleted_meanwhile_costs_the_comparison_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_choice, "FEWEST_COMPARED_DEMONSTRATIONS", 3)
    workspace = record(tmp_path / "workspace", 3)
    events: list[JobEvent] = []

    def report(event: JobEvent) -> None:
        events.append(event)
        if isinstance(event, ProbeMeasured) and event.epoch == 1.0:
            next(workspace.episodes_folder.glob("*.hdf5")).unlink()

    result = train_on_workspace(workspace, TrainJob("mine", train=SMALL), report=report, stop=StopRequest())
    assert not result.stopped
    assert result.fingerprint != START
    assert read_stored_encoder(workspace.encoders_folder / "mine").fingerprint == result.fingerprint
    [warning] = [event.text for event in events if isinstance(event, Message) and event.level == "warning"]
    assert warning.startswith("Start and trained weights could not be compared; the trained ones are kept. ")


def test_patience_does_not_count_from_a_start_that_cannot_be_chosen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    errors = iter([0.5, 0.9, 0.8, 0.7, 0.6])
    monkeypatch.setattr(HeldFrames, "action_error", lambda *_: ActionError(next(errors), 0.1, 0.2, 0.3))
    result = run(HeldOutErrors(0.06, 0.05), keep="best", epochs=4, patience=2)
    assert result.probe.chosen_epoch == 4.0


def test_best_is_chosen_of_the_trained_weights_where_the_start_is_compared(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([0.4, 0.5, 0.6] * 2)
    monkeypatch.setattr(HeldFrames, "action_error", lambda *_: ActionError(next(errors), 0.1, 0.2, 0.3))
    best = run(HeldOutErrors(0.06, 0.05), keep="best")
    last = run(HeldOutErrors(0.06, 0.05), keep="last")
    assert (best.probe.chosen_epoch, last.probe.chosen_epoch) == (1.0, 2.0)
    assert len({START, best.fingerprint, last.fingerprint}) == 3


def test_stopped_during_the_comparison_and_resumed_it_ends_the_same(run: Run) -> None:
    whole = run(HeldOutErrors(0.06, 0.05), keep="best")
    stopped = run(None, stop=True, keep="best")
    assert stopped.stopped
    resumed = run(HeldOutErrors(0.06, 0.05), resume=True, keep="best")
    assert not resumed.stopped
    assert resumed.fingerprint == whole.fingerprint
    assert resumed.probe == whole.probe


def test_undefined_features_at_the_end_are_told_as_divergence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverged(*_: Any, **__: Any) -> None:
        raise FloatingPointError("infinite or undefined features")

    monkeypatch.setattr(encoder_choice, "compare_with_start", diverged)
    with pytest.raises(EncoderError, match=r"diverged at step \d+ .*undefined features"):
        train_on_workspace(run.workspace, TrainJob("mine", train=SMALL), report=lambda _: None, stop=StopRequest())


def test_a_real_training_is_compared_and_the_outcome_stored(tmp_path: Path) -> None:
    workspace = record(tmp_path / "workspace", FEWEST_COMPARED_DEMONSTRATIONS)
    result = train_on_workspace(workspace, TrainJob("mine", train=SMALL), report=lambda _: None, stop=StopRequest())
    curve = read_stored_encoder(workspace.encoders_folder / "mine").probe
    assert curve is not None
    assert curve.held_out is not None
    assert (curve.chosen_epoch == 0.0) == curve.held_out.training_made_it_worse == (result.fingerprint == START)
    older = curve.to_dict()
    del older["held_out"], older["start_counts"]  # as before there was a comparison
    assert ProbeCurve.from_dict(older).points == curve.points
