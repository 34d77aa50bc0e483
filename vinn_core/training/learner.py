"""One optimiser step of BYOL: views drawn, loss followed, target moved. All randomness follows from seed and step."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import TrainConfig
from vinn_core.encoder.network import Encoder, create_encoder, images_to_tensor
from vinn_core.encoder.torch_setup import choose_device
from vinn_core.errors import EncoderError
from vinn_core.training.augmentation import Augmentation
from vinn_core.training.byol import Byol, StepResult, learning_rate, target_decay

import torch  # isort: skip  # after torch_setup
from torch import Tensor  # isort: skip


class Learner:
    """The networks of one run and their optimiser.

    Attributes:
        device: what it is computed on.
        encoder: what is trained.
        loss: of the last step; None before the first.
        collapse: of the last step, see `vinn_core.training.byol.collapse_measure`; None before the first.

    Raises:
        EncoderError: the device is not there, or the start weights cannot be had.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self.device = choose_device(config.device)
        self.encoder: Encoder = create_encoder(config.encoder, config.seed, config.cameras)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self._byol = Byol(
                self.encoder,
                projection_size=config.projection_size,
                hidden_size=config.hidden_size,
                frozen_stages=config.frozen_stages,
                fix_batchnorm=config.fix_batchnorm,
            )
        self._byol.to(self.device).to(memory_format=torch.channels_last).train()
        self._optimiser = torch.optim.AdamW(self._byol.trainable(), lr=1e-8, weight_decay=config.weight_decay)
        self._generator = torch.Generator(self.device)
        self._augmentation = Augmentation(config.colour_strength, config.crop, self._generator)
        self.loss: float | None = None
        self.collapse: float | None = None

    def train(self) -> None:
        """Put the networks into training mode, from which embedding takes the encoder."""
        self._byol.train()

    def learn(self, frames: NDArray[np.uint8], step: int, share: float) -> float:
        """One optimiser step on (B, H, W, 3) uint8 frames; returns its learning rate.

        Args:
            step: number of the step.
            share: how much of the training is done, in [0, 1].

        Raises:
            EncoderError: the GPU's memory is too small, or the loss is no longer finite.
        """
        config = self._config
        rate = learning_rate(config.learning_rate, step, share)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        try:
            result = self._follow(images_to_tensor(frames).to(self.device), step)
        except torch.cuda.OutOfMemoryError as error:
            raise EncoderError(
                f"the GPU's memory is too small for batch_size = {config.batch_size} at {config.image_size} pixels; "
                "use a smaller batch, such as half of it, or the device cpu."
            ) from error
        self._byol.update_target(target_decay(config.target_decay, share))
        self.loss, self.collapse = float(result.loss.detach()), result.collapse
        if not math.isfinite(self.loss):
            raise divergence(config, step, f"the loss is {self.loss}")
        return rate

    def _follow(self, images: Tensor, step: int) -> StepResult:
        """Draw two views of each of (B, 3, H, W) images and follow the gradient of their loss."""
        self._generator.manual_seed(self._config.seed * 1_000_003 + step)
        first, second = self._augmentation(images), self._augmentation(images)
        with self._precision():
            result = self._byol(first, second)
        self._optimiser.zero_grad(set_to_none=True)
        result.loss.backward()
        self._optimiser.step()
        return result

    def _precision(self) -> AbstractContextManager[Any]:
        """bfloat16 where there are units for it; elsewhere, and on most CPUs, it is far slower than float32."""
        if self.device.type == "cuda" and torch.cuda.get_device_capability(self.device) >= (8, 0):
            return torch.autocast("cuda", torch.bfloat16)
        return nullcontext()

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "networks": self._byol.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "loss": self.loss,
            "collapse": self.collapse,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint. Raises one of `vinn_core.encoder.torch_setup.DAMAGE` when it is something else."""
        self._byol.load_state_dict(state["networks"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.loss, self.collapse = state["loss"], state["collapse"]


def divergence(config: TrainConfig, step: int, sign: str) -> EncoderError:
    """What to say when training has diverged at `step`, as `sign` shows."""
    rate = config.learning_rate
    return EncoderError(
        f"training diverged at step {step} ({sign}); train anew with a learning rate below {rate:g}, "
        f"such as {rate / 10:g}."
    )
