"""Fine-tuning an encoder by BYOL on the recorded frames: reports progress, stops on request, resumes where it was."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vinn_core.augmentation import Augmentation
from vinn_core.byol import Byol, StepResult, learning_rate, target_decay
from vinn_core.config import TrainConfig
from vinn_core.dataset import Dataset, EpisodeSummary, load_frames
from vinn_core.encoder import create_encoder, images_to_tensor, save_encoder, save_tensors
from vinn_core.encoder_store import CHECKPOINT_FILE, HISTORY_FILE
from vinn_core.errors import DatasetError, EncoderError
from vinn_core.files import disk_errors, remove_leftovers, replace_file, replace_text
from vinn_core.progress import Message, Report, StageProgress, StopRequest, TrainingMetrics
from vinn_core.torch_setup import DAMAGE, choose_device, torch
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
    return train(
        _all_frames(summaries, config.cameras),
        config,
        workspace.encoders_folder / name,
        report,
        stop,
        resume,
        dataset_fingerprint="+".join(summary.fingerprint for summary in summaries),
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
) -> dict[str, Any]:
    """Train an encoder on `frames` (N, H, W, 3) uint8 RGB and write it into `folder`.

    A checkpoint is kept every half minute and when `stop` is set; `resume` goes on from it and, on a CPU and without a
    time limit, ends bit-equal to a run that was never stopped. With 0 epochs the start weights are written as they are.

    Returns:
        {"name", "stopped", "frames", "steps", "seconds", "loss", "collapse"}; the last two are None before the first
        step. And, unless stopped, {"origin", "fingerprint"}.

    Raises:
        DatasetError: there are no frames.
        EncoderError: the start weights cannot be had, the disk is full, nothing to resume, the checkpoint belongs to
            other settings or episodes, the GPU's memory is too small, or the loss is no longer finite.
    """
    if len(frames) == 0:
        raise DatasetError("There are no frames to train on. Record at least one demonstration, then train.")
    run = _Run(frames, config, folder, dataset_fingerprint)
    if resume:
        run.load_checkpoint()
    else:
        run.start_history()
    report(Message(f"Training starts from: {run.encoder.weights_origin}."))
    run.go(report, stop)
    result: dict[str, Any] = {
        "name": folder.name,
        "stopped": run.unfinished,
        "frames": len(frames),
        "steps": run.step,
        "seconds": run.seconds,
        "loss": run.loss,
        "collapse": run.collapse,
    }
    if run.unfinished:
        run.save_checkpoint()
        return result
    stored = save_encoder(run.encoder.cpu(), folder, config, len(frames))
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return {**result, "origin": stored.origin, "fingerprint": stored.fingerprint}


class _Run:
    """One training run: networks, optimiser and how far it is."""

    def __init__(self, frames: NDArray[np.uint8], config: TrainConfig, folder: Path, dataset_fingerprint: str) -> None:
        self._frames = frames
        self._config = config
        self._folder = folder
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
        self._steps_per_epoch = max(1, len(frames) // config.batch_size)
        self.total_steps = config.epochs * self._steps_per_epoch
        self.step = 0
        self.seconds = 0.0
        self.loss: float | None = None
        self.collapse: float | None = None

    @property
    def unfinished(self) -> bool:
        return self._share() < 1.0

    def _share(self) -> float:
        """How much of the training is done, in [0, 1], by steps or by the time limit, whichever ends first."""
        by_steps = self.step / self.total_steps if self.total_steps else 1.0
        limit_s = self._config.max_minutes * 60.0
        return min(1.0, max(by_steps, self.seconds / limit_s if limit_s else 0.0))

    def go(self, report: Report, stop: StopRequest) -> None:
        """Train until done or stopped."""
        checkpoint_at = reported_at = monotonic()
        first_step, before = self.step, self.seconds
        started = monotonic()
        if self.unfinished:
            report(StageProgress(_STAGE, self.step, self.total_steps, "step"))
        while self.unfinished and not stop:
            rate = self._train_step()
            now = monotonic()
            self.seconds = before + now - started
            if now - reported_at > _REPORT_EVERY_S or not self.unfinished:
                reported_at = now
                speed = (self.step - first_step) * self._batch_size / (now - started)
                self._report(report, rate, speed)
            if now - checkpoint_at > _CHECKPOINT_EVERY_S:
                checkpoint_at = now
                self.save_checkpoint()
        self.encoder.eval()

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
            raise EncoderError(
                f"training diverged at step {self.step} (the loss is {self.loss}); train anew with a learning rate "
                f"below {config.learning_rate:g}, such as {config.learning_rate / 10:g}."
            )
        self.step += 1
        return rate

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
        left = self.seconds * (1.0 - share) / share if share > 0 else None
        report(StageProgress(_STAGE, self.step, max(self.step, round(self.step / share)), "step", left))
        assert self.loss is not None
        assert self.collapse is not None
        metrics = TrainingMetrics(
            self.step, self.step / self._steps_per_epoch, self.loss, self.collapse, rate, images_per_second
        )
        report(metrics)
        with disk_errors("writing the training history", EncoderError), self._history().open("a") as file:
            file.write(json.dumps(asdict(metrics)) + "\n")

    def _history(self) -> Path:
        return self._folder / HISTORY_FILE

    def start_history(self) -> None:
        """Begin a new run in the folder: forget the history and checkpoint of the last one."""
        with disk_errors("starting the training", EncoderError):
            self._folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self._folder)
            self._history().unlink(missing_ok=True)
            (self._folder / CHECKPOINT_FILE).unlink(missing_ok=True)

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
        }
        with disk_errors("saving the checkpoint", EncoderError):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_file(self._folder / CHECKPOINT_FILE, lambda path: save_tensors(content, path))

    def load_checkpoint(self) -> None:
        """Go back to where a stopped run was."""
        file = self._folder / CHECKPOINT_FILE
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
                self._forget_history_after_checkpoint()
                return
        except DAMAGE as error:
            raise EncoderError(
                f"the checkpoint of encoder '{self._folder.name}' is damaged; train it again without --resume."
            ) from error
        what = "episodes" if same_config else "settings"
        raise EncoderError(f"the checkpoint of encoder '{self._folder.name}' belongs to other {what}; train it anew.")

    def _forget_history_after_checkpoint(self) -> None:
        """Leave out of the history what a killed run did after its last checkpoint: it will be done again."""
        if not self._history().exists():
            return
        kept = []
        for line in self._history().read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # the kill may have cut the last line short
                if json.loads(line)["step"] <= self.step:
                    kept.append(f"{line}\n")
        with disk_errors("resuming the training", EncoderError):
            remove_leftovers(self._folder)
            replace_text(self._history(), "".join(kept))
