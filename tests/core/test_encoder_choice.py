"""Start weights against trained ones at the end of a training: what is compared, what is kept, and what is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from episode_samples import CONFIG, sample_episode

from vinn_core import encoder_choice, training
from vinn_core.config import preset
from vinn_core.dataset import Dataset, save_episode
from vinn_core.embedding import FrameEncoder
from vinn_core.encoder import create_encoder
from vinn_core.encoder_choice import FEWEST_DEMONSTRATIONS, compare_with_start, held_out_action_error
from vinn_core.encoder_store import read_stored_encoder
from vinn_core.held_frames import HeldFrames
from vinn_core.probe import ActionError
from vinn_core.probe_curve import HeldOutErrors, ProbeCurve
from vinn_core.progress import JobEvent, Message, StageProgress, StopRequest
from vinn_core.training import train_on_workspace
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


@pytest.fixture(scope="module")
def held() -> HeldFrames:
    """20 demonstrations of 40 frames each; the arm moves against where it is."""
    positions = np.random.default_rng(0).uniform(-1, 1, (800, 3))
    images = np.zeros((800, 2, 2, 3), dtype=np.uint8)
    images[:, 0, 0] = np.round(127 * (positions + 1))
    actions = np.column_stack([-0.1 * positions, np.zeros((800, 3)), positions[:, 2] > 0])
    return HeldFrames(
        {"wrist": images},
        np.zeros((800, 5)),
        actions.astype(np.float32),
        np.repeat(np.arange(1, 21), 40).astype(np.int32),
    )


def test_an_encoder_that_sees_errs_less_than_one_that_does_not(held: HeldFrames) -> None:
    seeing = held_out_action_error(held, Seeing(), StopRequest())
    blind = held_out_action_error(held, Blind(), StopRequest())
    assert seeing is not None
    assert blind is not None
    assert seeing.linear < 0.2 * blind.linear
    assert held_out_action_error(held, Seeing(), StopRequest()) == seeing


def test_the_frames_asked_about_are_not_in_the_index(held: HeldFrames) -> None:
    class Telling(Seeing):
        """Knows every frame by heart, and nothing of how they lie to each other."""

        def embed(self, frames: Any) -> Any:
            return np.eye(len(held), 3 + len(held), dtype=np.float32)[self.rows(frames)]

        def rows(self, frames: Any) -> Any:
            first = next(n for n in range(len(held)) if np.array_equal(held.images["wrist"][n], frames[0]))
            return np.arange(first, first + len(frames))

    by_heart = held_out_action_error(held, Telling(), StopRequest())
    assert by_heart is not None
    assert by_heart.linear > 0.05  # an index that held the frame itself would err by nothing


def test_undefined_features_are_told(held: HeldFrames) -> None:
    with pytest.raises(FloatingPointError, match="infinite or undefined features"):
        held_out_action_error(held, Undefined(), StopRequest())


def record(folder: Path, demonstrations: int, **changes: Any) -> Workspace:
    workspace = Workspace.open(folder, CONFIG)
    for seed in range(demonstrations):
        save_episode(workspace.episodes_folder, sample_episode(seed, length=6, **changes))
    return workspace


def test_few_demonstrations_are_not_compared(tmp_path: Path) -> None:
    summaries = Dataset(record(tmp_path / "few", FEWEST_DEMONSTRATIONS - 1)).summaries()
    assert compare_with_start(summaries, Seeing(), Seeing(), lambda _: None, StopRequest()) is None
    summaries = Dataset(record(tmp_path / "enough", FEWEST_DEMONSTRATIONS)).summaries()
    events: list[JobEvent] = []
    errors = compare_with_start(summaries, Blind(), Seeing(), events.append, StopRequest())
    assert errors is not None
    assert errors.start != errors.trained
    last = events[-1]
    assert isinstance(last, StageProgress)
    assert last.done == last.total == 2 * 6 * FEWEST_DEMONSTRATIONS


class Run:
    """A training whose comparison finds `errors`, or is stopped."""

    def __init__(self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workspace = workspace
        self.events: list[JobEvent] = []
        self._patch = monkeypatch

    def __call__(self, errors: HeldOutErrors | None, stop: bool = False, resume: bool = False, **changes: Any) -> Any:
        asked = StopRequest()

        def compare(_: Sequence[Any], start: FrameEncoder, trained: FrameEncoder, *__: Any) -> HeldOutErrors | None:
            assert start.fingerprint != trained.fingerprint
            if stop:
                asked.set()
            return errors

        self._patch.setattr(training, "compare_with_start", compare)
        config = preset("tiny", **{**SMALL.to_dict(), **changes})
        return train_on_workspace(self.workspace, "mine", config, self.events.append, asked, resume)

    @property
    def warnings(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Message) and event.level == "warning"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(record(tmp_path / "workspace", 3), monkeypatch)


START = create_encoder(SMALL.encoder, SMALL.seed).fingerprint


def test_start_weights_are_kept_and_said_so_when_training_made_it_worse(run: Run) -> None:
    result = run(HeldOutErrors(0.059, 0.0624))
    assert result["fingerprint"] == START
    assert run.warnings == [
        "After BYOL the policy errs more on demonstrations it does not know; the start weights were kept."
    ]
    stored = read_stored_encoder(run.workspace.encoders_folder / "mine")
    assert stored.origin == "random initialisation, kept, as the policy errs more after BYOL"
    assert stored.probe is not None
    assert stored.probe.held_out == HeldOutErrors(0.059, 0.0624)
    assert stored.probe.in_words() == (
        "linear error on held-out demonstrations 59 -> 62.4 mm/s "
        "(start weights -> trained, so the start weights were kept)"
    )


@pytest.mark.parametrize("errors", [HeldOutErrors(0.0596, 0.0565), HeldOutErrors(0.05, 0.0514), None])
def test_trained_weights_are_kept_unless_clearly_worse(errors: HeldOutErrors | None, run: Run) -> None:
    result = run(errors)
    assert result["fingerprint"] != START
    assert result["fingerprint"] == run(None, compare_with_start=False)["fingerprint"]
    assert run.warnings == []
    assert result["probe"]["chosen_epoch"] == 2.0
    if errors == HeldOutErrors(0.0596, 0.0565):
        assert ProbeCurve.from_dict(result["probe"]).in_words() == (
            "linear error on held-out demonstrations 59.6 -> 56.5 mm/s (start weights -> trained)"
        )


def test_best_is_chosen_of_the_trained_weights_where_the_start_is_compared(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([0.4, 0.5, 0.6] * 2)
    monkeypatch.setattr(HeldFrames, "action_error", lambda *_: ActionError(next(errors), 0.1, 0.2, 0.3))
    best = run(HeldOutErrors(0.06, 0.05), keep="best")
    last = run(HeldOutErrors(0.06, 0.05), keep="last")
    assert (best["probe"]["chosen_epoch"], last["probe"]["chosen_epoch"]) == (1.0, 2.0)
    assert len({START, best["fingerprint"], last["fingerprint"]}) == 3


def test_stopped_during_the_comparison_and_resumed_it_ends_the_same(run: Run) -> None:
    whole = run(HeldOutErrors(0.06, 0.05), keep="best")
    stopped = run(None, stop=True, keep="best")
    assert stopped["stopped"]
    resumed = run(HeldOutErrors(0.06, 0.05), resume=True, keep="best")
    assert not resumed["stopped"]
    assert resumed["fingerprint"] == whole["fingerprint"]
    assert resumed["probe"] == whole["probe"]


def test_undefined_features_at_the_end_are_told_as_divergence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverged(*_: Any) -> None:
        raise FloatingPointError("infinite or undefined features")

    monkeypatch.setattr(training, "compare_with_start", diverged)
    with pytest.raises(training.EncoderError, match=r"diverged at step \d+ .*undefined features"):
        train_on_workspace(run.workspace, "mine", SMALL, lambda _: None, StopRequest())


def test_a_real_training_is_compared_and_feels_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = record(tmp_path / "workspace", FEWEST_DEMONSTRATIONS)
    result = train_on_workspace(workspace, "mine", SMALL, lambda _: None, StopRequest())
    curve = ProbeCurve.from_dict(result["probe"])
    assert curve.held_out is not None
    monkeypatch.setattr(encoder_choice, "FEWEST_DEMONSTRATIONS", 99)
    uncompared = train_on_workspace(workspace, "other", SMALL, lambda _: None, StopRequest())
    assert ProbeCurve.from_dict(uncompared["probe"]).held_out is None
    kept = START if curve.chosen_epoch == 0 else uncompared["fingerprint"]
    assert result["fingerprint"] == kept
    assert [point.relative for point in curve.points] == [
        point.relative for point in ProbeCurve.from_dict(uncompared["probe"]).points
    ]
