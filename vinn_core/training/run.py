"""Fine-tuning an encoder by BYOL on the recorded frames: reports progress, stops on request, resumes where it was.

Before the first step and after every epoch a probe may ask how well the encoder tells what to do; it draws no random
numbers and leaves the networks as they are, so that training takes the same course with and without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import JsonRecord, TrainConfig, TrainJob
from vinn_core.encoder.history import ProbeCurve
from vinn_core.encoder.network import save_encoder
from vinn_core.encoder.torch_setup import DAMAGE
from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.file import EpisodeSummary, load_frames
from vinn_core.errors import DatasetError, EncoderError
from vinn_core.progress import Message, Report, StageProgress, StopRequest, TrainingMetrics
from vinn_core.retrieval.build import IndexResult
from vinn_core.training.choice import WeightChoice
from vinn_core.training.files import TrainingFiles, damaged_checkpoint
from vinn_core.training.held_frames import HeldFrames, hold_frames
from vinn_core.training.learner import Learner, divergence
from vinn_core.training.probe import EncoderProbe
from vinn_core.training.schedule import Schedule
from vinn_core.workspace import Workspace

_CHECKPOINT_EVERY_S = 30.0
_REPORT_EVERY_S = 0.25
_STAGE = "Training encoder"


@dataclass(frozen=True)
class TrainResult(JsonRecord):
    """What came of a training run.

    Attributes:
        name: of the encoder.
        stopped: whether it ended early on request.
        frames: trained on.
        steps: optimiser steps taken.
        seconds: spent training [s].
        loss: of the last step; None before the first.
        collapse: of the last step, see `vinn_core.training.byol.collapse_measure`; None before the first.
        probe: the action error by epoch.
        origin: readable sentence, where the weights come from; "" when stopped.
        fingerprint: of the encoder; "" when stopped.
        index: that was built with it; None without one.
    """

    name: str
    stopped: bool
    frames: int
    steps: int
    seconds: float
    loss: float | None
    collapse: float | None
    probe: ProbeCurve
    origin: str = ""
    fingerprint: str = ""
    index: IndexResult | None = None

    def in_words(self) -> str:
        """What was trained and how the action error changed, on one line."""
        error = self.probe.in_words()
        return f"encoder '{self.name}' trained on {self.frames} frames{error and f'; {error}'}"


def train_on_workspace(workspace: Workspace, job: TrainJob, *, report: Report, stop: StopRequest) -> TrainResult:
    """Train an encoder on all recorded frames of its cameras; see `train`.

    Raises:
        DatasetError: there are no episodes, or one lacks a camera.
        EncoderError: see `train`.
    """
    config = job.train
    dataset = Dataset(workspace)
    summaries = dataset.summaries()
    if not summaries:
        raise DatasetError(
            "There are no episodes yet. "
            "Record at least one demonstration, or add scripted ones (vinn collect), then train."
        )
    for _, sentence in dataset.damaged():
        report(Message(f"{sentence} It is left out.", "warning"))
    frames = _all_frames(summaries, config.cameras)
    held = hold_frames(summaries, config.cameras) if config.epochs else None
    if config.epochs and held is None:
        report(Message("The action error is not measured while training: that needs at least two demonstrations."))
    return train(
        frames,
        config,
        workspace.encoders_folder / job.name,
        report=report,
        stop=stop,
        resume=job.resume,
        dataset_fingerprint="+".join(summary.fingerprint for summary in summaries),
        held=held,
        demonstrations=[summary for summary in summaries if summary.usable],
    )


def _all_frames(summaries: Sequence[EpisodeSummary], cameras: Sequence[str]) -> NDArray[np.uint8]:
    """The frames of all episodes and cameras, (N, H, W, 3) uint8."""
    frames = [(summary, load_frames(summary.path, camera)) for summary in summaries for camera in cameras]
    first = frames[0][1].shape[1:]
    for summary, some in frames:
        if some.shape[1:] != first:
            raise DatasetError(
                f"The pictures of episode {summary.number} are {some.shape[2]} x {some.shape[1]} pixels, those of "
                f"episode {summaries[0].number} {first[1]} x {first[0]}; delete the odd episodes, then train."
            )
    return np.concatenate([some for _, some in frames])


def train(
    frames: NDArray[np.uint8],
    config: TrainConfig,
    folder: Path,
    *,
    report: Report,
    stop: StopRequest,
    resume: bool = False,
    dataset_fingerprint: str = "",
    held: HeldFrames | None = None,
    demonstrations: Sequence[EpisodeSummary] = (),
) -> TrainResult:
    """Train an encoder on `frames` (N, H, W, 3) uint8 RGB and write it into `folder`.

    A checkpoint is kept every half minute and when `stop` is set; `resume` goes on from it and, on a CPU and without a
    time limit, ends bit-equal to a run that was never stopped. With 0 epochs the start weights are written as they are.

    Args:
        held: are probed while training.
        demonstrations: on these, start and trained weights are compared at its end.

    Raises:
        DatasetError: there are no frames, or a demonstration is damaged.
        EncoderError: the start weights cannot be had, the disk is full, nothing to resume, the checkpoint belongs to
            other settings or episodes, the GPU's memory is too small, or the loss is no longer finite.
    """
    if len(frames) == 0:
        raise DatasetError("There are no frames to train on. Record at least one demonstration, then train.")
    files = TrainingFiles(folder, config, dataset_fingerprint)
    run = _Run(frames, config, files, held=held, demonstrations=demonstrations)
    if resume:
        run.resume(folder.name)
    else:
        files.start()
    report(Message(f"Training starts from: {run.encoder.weights_origin}."))
    run.go(report, stop)
    stopped = run.unfinished or not run.choose_weights(report, stop)
    curve = run.probe.curve
    result = TrainResult(
        name=folder.name,
        stopped=stopped,
        frames=len(frames),
        steps=run.schedule.step,
        seconds=run.schedule.seconds,
        loss=run.learner.loss,
        collapse=run.learner.collapse,
        probe=curve,
    )
    if stopped:
        run.save_checkpoint()
        return result
    measured = curve if curve.points or curve.held_out else None
    try:
        stored = save_encoder(run.encoder.cpu(), folder, train=config, frames=len(frames), probe=measured)
    except EncoderError:
        run.save_checkpoint()  # the training is done all the same: resumed, it ends here
        raise
    return replace(result, origin=stored.origin, fingerprint=stored.fingerprint)


class _Run:
    """One training run: what learns, how far it is, how it is probed, and which weights it keeps."""

    def __init__(
        self,
        frames: NDArray[np.uint8],
        config: TrainConfig,
        files: TrainingFiles,
        *,
        held: HeldFrames | None,
        demonstrations: Sequence[EpisodeSummary],
    ) -> None:
        self._frames = frames
        self._config = config
        self._files = files
        self.learner = Learner(config)
        self.encoder = self.learner.encoder
        self.schedule = Schedule(config, len(frames))
        self._choice = WeightChoice(config, self.learner.device, demonstrations)
        self.probe = EncoderProbe(held, config, len(frames), start_counts=not self._choice.compares)

    @property
    def unfinished(self) -> bool:
        if self.probe.out_of_patience:
            return False
        return self.schedule.share < 1.0 or self._probe_is_due()

    def _probe_is_due(self) -> bool:
        return self.probe.is_due(self.schedule.step, at_end=self.schedule.share >= 1.0)

    def go(self, report: Report, stop: StopRequest) -> None:
        """Train until done or stopped."""
        schedule = self.schedule
        checkpoint_at = reported_at = monotonic()
        first_step, before, probed_before = schedule.step, schedule.seconds, self.probe.seconds
        started = monotonic()
        if self.unfinished:
            report(StageProgress(_STAGE, schedule.step, schedule.total_steps, "step"))
        for point in self.probe.curve.points:  # of the run that is resumed
            report(point)
        while self.unfinished and not stop:
            if self._probe_is_due():
                self._measure_probe(report, stop)
                continue
            rate = self.learner.learn(self._frames[schedule.batch()], schedule.step, schedule.share)
            schedule.step += 1
            now = monotonic()
            schedule.seconds = before + now - started
            if now - reported_at > _REPORT_EVERY_S or schedule.share >= 1.0:
                reported_at = now
                training_s = now - started - (self.probe.seconds - probed_before)
                self._report(report, rate, (schedule.step - first_step) * schedule.batch_size / training_s)
            if now - checkpoint_at > _CHECKPOINT_EVERY_S:
                checkpoint_at = now
                self.save_checkpoint()
        self.encoder.eval()

    def _measure_probe(self, report: Report, stop: StopRequest) -> None:
        try:
            point = self.probe.measure(self.encoder, self.schedule.step, stop)
        except FloatingPointError as error:
            raise divergence(self._config, self.schedule.step, f"the encoder gives {error}") from error
        self.learner.train()
        if point is not None:
            report(point)

    def choose_weights(self, report: Report, stop: StopRequest) -> bool:
        """At the end: put the weights to keep into the encoder, and say what a person may not expect.

        False when asked to stop meanwhile; a resumed run chooses again.
        """
        if self.probe.out_of_patience:
            report(StageProgress(_STAGE, self.schedule.step, self.schedule.step, "step", 0.0))
            epochs = f"{self._config.patience} epochs"
            report(Message(f"Training ended early: the action error did not become smaller for {epochs}."))
        if self._choice.compares:
            self.save_checkpoint()
        try:
            return self._choice.make(self.encoder, self.probe, report=report, stop=stop)
        except FloatingPointError as error:
            raise divergence(self._config, self.schedule.step, f"the encoder gives {error}") from error

    def _report(self, report: Report, rate: float, images_per_second: float) -> None:
        schedule, learner = self.schedule, self.learner
        share = schedule.share
        left = (schedule.seconds - self.probe.seconds) * (1.0 - share) / share if share > 0 else None
        report(StageProgress(_STAGE, schedule.step, max(schedule.step, round(schedule.step / share)), "step", left))
        assert learner.loss is not None
        assert learner.collapse is not None
        metrics = TrainingMetrics(
            schedule.step, schedule.epoch, learner.loss, learner.collapse, rate, images_per_second
        )
        report(metrics)
        self._files.note(asdict(metrics))

    def save_checkpoint(self) -> None:
        """Keep all that is needed to go on. Raises EncoderError when the disk refuses; the last one then stays."""
        schedule = self.schedule
        progress = {"step": schedule.step, "seconds": schedule.seconds, "probe": self.probe.state()}
        self._files.save_checkpoint({**self.learner.state(), **progress})

    def resume(self, name: str) -> None:
        """Go back to where a stopped run was. Raises EncoderError, see `TrainingFiles.load_checkpoint`."""
        state = self._files.load_checkpoint(self.learner.device)
        try:
            self.learner.load_state(state)
            self.probe.load_state(state["probe"])
            self.schedule.step, self.schedule.seconds = state["step"], state["seconds"]
        except DAMAGE as error:
            raise damaged_checkpoint(name) from error
