"""Fine-tuning an encoder by BYOL on the recorded frames: reports progress, stops on request, resumes where it was.

Before the first step and after every epoch a probe may ask how well the encoder tells what to do; it draws no random
numbers and leaves the networks as they are, so that training takes the same course with and without it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vinn_core.augmentation import Augmentation
from vinn_core.byol import Byol, StepResult, learning_rate, target_decay
from vinn_core.config import FEWEST_COMPARED_DEMONSTRATIONS, TrainConfig
from vinn_core.dataset import Dataset, EpisodeSummary, load_frames
from vinn_core.encoder import create_encoder, images_to_tensor, save_encoder
from vinn_core.encoder_choice import compare_with_start
from vinn_core.encoder_probe import EncoderProbe
from vinn_core.errors import DatasetError, EncoderError
from vinn_core.held_frames import HeldFrames, hold_frames
from vinn_core.progress import Message, Report, StageProgress, StopRequest, TrainingMetrics
from vinn_core.torch_setup import DAMAGE, choose_device, torch
from vinn_core.training_files import TrainingFiles
from vinn_core.workspace import Workspace

from torch import Tensor  # isort: skip  # after torch_setup

_CHECKPOINT_EVERY_S = 30.0
_REPORT_EVERY_S = 0.25
_STAGE = "Training encoder"


def train_on_workspace(
    workspace: Workspace,
    name: str,
    config: TrainConfig,
    report: Report,
    stop: StopRequest,
    resume: bool = False,
) -> dict[str, Any]:
    """Train encoder `name` on all recorded frames of `config.cameras`; see `train`.

    Raises:
        DatasetError: there are no episodes, or one lacks a camera.
        EncoderError: see `train`.
    """
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
        workspace.encoders_folder / name,
        report,
        stop,
        resume,
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
    report: Report,
    stop: StopRequest,
    resume: bool = False,
    dataset_fingerprint: str = "",
    held: HeldFrames | None = None,
    demonstrations: Sequence[EpisodeSummary] = (),
) -> dict[str, Any]:
    """Train an encoder on `frames` (N, H, W, 3) uint8 RGB and write it into `folder`.

    A checkpoint is kept every half minute and when `stop` is set; `resume` goes on from it and, on a CPU and without a
    time limit, ends bit-equal to a run that was never stopped. With 0 epochs the start weights are written as they are.

    Args:
        held: are probed while training. demonstrations: on these, start and trained weights are compared at its end.

    Returns:
        {"name", "stopped", "frames", "steps", "seconds", "loss", "collapse", "probe"}; "loss" and "collapse" are None
        before the first step, "probe" is `ProbeCurve.to_dict`. And, unless stopped, {"origin", "fingerprint"}.

    Raises:
        DatasetError: there are no frames, or a demonstration is damaged.
        EncoderError: the start weights cannot be had, the disk is full, nothing to resume, the checkpoint belongs to
            other settings or episodes, the GPU's memory is too small, or the loss is no longer finite.
    """
    if len(frames) == 0:
        raise DatasetError("There are no frames to train on. Record at least one demonstration, then train.")
    run = _Run(frames, config, folder, dataset_fingerprint, held, demonstrations)
    if resume:
        run.load_checkpoint()
    else:
        run.files.start()
    report(Message(f"Training starts from: {run.encoder.weights_origin}."))
    run.go(report, stop)
    stopped = run.unfinished or not run.choose_weights(report, stop)
    result: dict[str, Any] = {
        "name": folder.name,
        "stopped": stopped,
        "frames": len(frames),
        "steps": run.step,
        "seconds": run.seconds,
        "loss": run.loss,
        "collapse": run.collapse,
        "probe": run.probe.curve.to_dict(),
    }
    if stopped:
        run.save_checkpoint()
        return result
    curve = run.probe.curve if run.probe.curve.points or run.probe.curve.held_out else None
    stored = save_encoder(run.encoder.cpu(), folder, config, len(frames), curve)
    run.files.checkpoint.unlink(missing_ok=True)
    return {**result, "origin": stored.origin, "fingerprint": stored.fingerprint}


class _Run:
    """One training run: networks, optimiser and how far it is."""

    def __init__(
        self,
        frames: NDArray[np.uint8],
        config: TrainConfig,
        folder: Path,
        dataset_fingerprint: str,
        held: HeldFrames | None,
        demonstrations: Sequence[EpisodeSummary],
    ) -> None:
        self._frames = frames
        enough = len(demonstrations) >= FEWEST_COMPARED_DEMONSTRATIONS
        self._compared = demonstrations if enough and config.compare_with_start and config.epochs else ()
        self._config = config
        self._folder = folder
        self.files = TrainingFiles(folder)
        self._dataset_fingerprint = dataset_fingerprint
        self._device = choose_device(config.device)
        self.encoder = create_encoder(config.encoder, config.seed, config.cameras)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self._byol = Byol(
                self.encoder, config.projection_size, config.hidden_size, config.frozen_stages, config.fix_batchnorm
            )
        self._byol.to(self._device).to(memory_format=torch.channels_last).train()
        self._optimiser = torch.optim.AdamW(self._byol.trainable(), lr=1e-8, weight_decay=config.weight_decay)
        self._generator = torch.Generator(self._device)
        self._augmentation = Augmentation(config.colour_strength, config.crop, self._generator)
        self._steps_per_epoch = config.steps_per_epoch(len(frames))
        self.total_steps = config.steps(len(frames))
        self.step = 0
        self.seconds = 0.0
        self.loss: float | None = None
        self.collapse: float | None = None
        self.probe = EncoderProbe(held, config, len(frames), start_counts=not self._compared)

    @property
    def unfinished(self) -> bool:
        if self.probe.out_of_patience:
            return False
        return self._share() < 1.0 or self._probe_is_due()

    def _probe_is_due(self) -> bool:
        return self.probe.is_due(self.step, at_end=self._share() >= 1.0)

    def _share(self) -> float:
        """How much of the training is done, in [0, 1], by steps or by the time limit, whichever ends first."""
        by_steps = self.step / self.total_steps if self.total_steps else 1.0
        limit_s = self._config.max_minutes * 60.0
        return min(1.0, max(by_steps, self.seconds / limit_s if limit_s else 0.0))

    def go(self, report: Report, stop: StopRequest) -> None:
        """Train until done or stopped."""
        checkpoint_at = reported_at = monotonic()
        first_step, before, probed_before = self.step, self.seconds, self.probe.seconds
        started = monotonic()
        if self.unfinished:
            report(StageProgress(_STAGE, self.step, self.total_steps, "step"))
        for point in self.probe.curve.points:  # of the run that is resumed
            report(point)
        while self.unfinished and not stop:
            if self._probe_is_due():
                self._measure_probe(report, stop)
                continue
            rate = self._train_step()
            now = monotonic()
            self.seconds = before + now - started
            if now - reported_at > _REPORT_EVERY_S or self._share() >= 1.0:
                reported_at = now
                training_s = now - started - (self.probe.seconds - probed_before)
                self._report(report, rate, (self.step - first_step) * self._batch_size / training_s)
            if now - checkpoint_at > _CHECKPOINT_EVERY_S:
                checkpoint_at = now
                self.save_checkpoint()
        self.encoder.eval()

    def _measure_probe(self, report: Report, stop: StopRequest) -> None:
        try:
            point = self.probe.measure(self.encoder, self.step, stop)
        except FloatingPointError as error:
            raise self._divergence(f"the encoder gives {error}") from error
        self._byol.train()  # embedding has put the encoder into evaluation mode
        if point is not None:
            report(point)

    def choose_weights(self, report: Report, stop: StopRequest) -> bool:
        """At the end: put the weights to keep into the encoder, and say what a person may not expect.

        False when asked to stop meanwhile; a resumed run chooses again.
        """
        if self.probe.out_of_patience:
            report(StageProgress(_STAGE, self.step, self.step, "step", 0.0))
            epochs = f"{self._config.patience} epochs"
            report(Message(f"Training ended early: the action error did not become smaller for {epochs}."))
        self.probe.choose_weights(self.encoder)
        if self._compared:
            return self._compare_with_start(report, stop)
        if self.probe.curve.chosen_epoch == 0:
            text = "BYOL did not improve the action error on this data; the start weights were kept."
            report(Message(text, "warning"))
        return True

    def _compare_with_start(self, report: Report, stop: StopRequest) -> bool:
        """Go back to the start weights if the trained ones do clearly worse; False when asked to stop meanwhile."""
        config = self._config
        self.save_checkpoint()
        try:
            start = create_encoder(config.encoder, config.seed, config.cameras).to(self._device)
            errors = compare_with_start(self._compared, start, self.encoder, report, stop)
        except FloatingPointError as error:
            raise self._divergence(f"the encoder gives {error}") from error
        except (DatasetError, EncoderError, torch.cuda.OutOfMemoryError) as error:
            text = f"Start and trained weights could not be compared; the trained ones are kept. {error}"
            report(Message(text, "warning"))
            return True
        if errors is None:
            return False
        self.probe.curve = self.probe.curve.with_comparison(errors)
        if errors.training_made_it_worse:
            self.encoder.load_state_dict(start.state_dict())
            report(Message(f"BYOL did harm on this data: {errors.in_words()}. The start weights were kept.", "warning"))
        return True

    @property
    def _epoch(self) -> float:
        return self.step / self._steps_per_epoch

    @property
    def _batch_size(self) -> int:
        return min(self._config.batch_size, len(self._frames))

    def _train_step(self) -> float:
        """One optimiser step; returns its learning rate. All randomness follows from seed and step."""
        config, share = self._config, self._share()
        rate = learning_rate(config.learning_rate, self.step, share)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        try:
            result = self._learn(images_to_tensor(self._frames[self._batch()]).to(self._device))
        except torch.cuda.OutOfMemoryError as error:
            raise EncoderError(
                f"the GPU's memory is too small for batch_size = {config.batch_size} at {config.image_size} pixels; "
                "use a smaller batch, such as half of it, or the device cpu."
            ) from error
        self._byol.update_target(target_decay(config.target_decay, share))
        self.loss, self.collapse = float(result.loss.detach()), result.collapse
        if not math.isfinite(self.loss):
            raise self._divergence(f"the loss is {self.loss}")
        self.step += 1
        return rate

    def _divergence(self, sign: str) -> EncoderError:
        rate = self._config.learning_rate
        return EncoderError(
            f"training diverged at step {self.step} ({sign}); train anew with a learning rate below {rate:g}, "
            f"such as {rate / 10:g}."
        )

    def _learn(self, images: Tensor) -> StepResult:
        """Draw two views of each image and follow the gradient of their loss."""
        self._generator.manual_seed(self._config.seed * 1_000_003 + self.step)
        first, second = self._augmentation(images), self._augmentation(images)
        with self._precision():
            result = self._byol(first, second)
        self._optimiser.zero_grad(set_to_none=True)
        result.loss.backward()
        self._optimiser.step()
        return result

    def _precision(self) -> AbstractContextManager[Any]:
        """bfloat16 where there are units for it; elsewhere, and on most CPUs, it is far slower than float32."""
        if self._device.type == "cuda" and torch.cuda.get_device_capability(self._device) >= (8, 0):
            return torch.autocast("cuda", torch.bfloat16)
        return nullcontext()

    def _batch(self) -> NDArray[np.intp]:
        epoch, place = divmod(self.step, self._steps_per_epoch)
        order = np.random.default_rng([self._config.seed, epoch]).permutation(len(self._frames))
        return order[place * self._batch_size : (place + 1) * self._batch_size]

    def _report(self, report: Report, rate: float, images_per_second: float) -> None:
        share = self._share()
        left = (self.seconds - self.probe.seconds) * (1.0 - share) / share if share > 0 else None
        report(StageProgress(_STAGE, self.step, max(self.step, round(self.step / share)), "step", left))
        assert self.loss is not None
        assert self.collapse is not None
        metrics = TrainingMetrics(self.step, self._epoch, self.loss, self.collapse, rate, images_per_second)
        report(metrics)
        self.files.note(asdict(metrics))

    def save_checkpoint(self) -> None:
        """Keep all that is needed to go on. Raises EncoderError when the disk refuses; the last one then stays."""
        content = {
            "config": self._config.to_json(),
            "dataset": self._dataset_fingerprint,
            "networks": self._byol.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "loss": self.loss,
            "collapse": self.collapse,
            "probe": self.probe.state(),
        }
        self.files.save_checkpoint(content)

    def load_checkpoint(self) -> None:
        """Go back to where a stopped run was."""
        file = self.files.checkpoint
        if not file.exists():
            raise EncoderError(f"encoder '{self._folder.name}' has no checkpoint to resume; train it without --resume.")
        try:
            content = torch.load(file, map_location=self._device, weights_only=True)
            same_config, same_dataset = (
                content["config"] == self._config.to_json(),
                content["dataset"] == self._dataset_fingerprint,
            )
            if same_config and same_dataset:
                self._byol.load_state_dict(content["networks"])
                self._optimiser.load_state_dict(content["optimiser"])
                self.step, self.seconds = content["step"], content["seconds"]
                self.loss, self.collapse = content["loss"], content["collapse"]
                self.probe.load_state(content["probe"])
                self.files.forget_history_after(self.step)
                return
        except DAMAGE as error:
            raise EncoderError(
                f"the checkpoint of encoder '{self._folder.name}' is damaged; train it again without --resume."
            ) from error
        what = "episodes" if same_config else "settings"
        raise EncoderError(f"the checkpoint of encoder '{self._folder.name}' belongs to other {what}; train it anew.")
