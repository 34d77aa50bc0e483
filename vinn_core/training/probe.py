"""Probing an encoder while it is trained: when, with what result, and which weights were best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from vinn_core.config import TrainConfig
from vinn_core.encoder.history import ProbeCurve
from vinn_core.progress import ProbeMeasured, StopRequest
from vinn_core.training.held_frames import HeldFrames

if TYPE_CHECKING:
    from vinn_core.encoder.network import Encoder

_EVERY_EPOCH = 10
"""Trainings of up to so many epochs are probed after each."""
_SHARE = 0.1
"""At most this share of the time of longer ones is spent on probing, if embedding an image costs ..."""
_EMBEDDING_COST = 0.25
"""... this much of training on it."""


class EncoderProbe:
    """Asks `held` frames before the first step, after every epoch or every few, and at the end of the training.

    It draws no random numbers and leaves the weights and statistics of the encoder as they are.

    Args:
        held: what is asked; None: nothing ever is.
        frames: how many are trained on.
        start_counts: see `ProbeCurve`.

    Attributes:
        curve: what was measured so far.
        seconds: spent on that [s].
    """

    def __init__(self, held: HeldFrames | None, config: TrainConfig, frames: int, *, start_counts: bool = True) -> None:
        self._held = held if config.epochs else None
        self._config = config
        self._steps_per_epoch = self._steps_between = config.steps_per_epoch(frames)
        if self._held is not None and config.steps(frames) > _EVERY_EPOCH * self._steps_per_epoch:
            self._steps_between *= math.ceil(_EMBEDDING_COST * self._held.images_count / (_SHARE * frames))
        self._best_weights: dict[str, Any] | None = None
        self.curve = ProbeCurve(start_counts=start_counts)
        self.seconds = 0.0

    def is_due(self, step: int, at_end: bool) -> bool:
        """Whether to measure now. A matter of steps, so that a run that was stopped is probed where others are."""
        if self._held is None or (self.curve.points and self.curve.points[-1].epoch == step / self._steps_per_epoch):
            return False
        return at_end or step % self._steps_between == 0

    @property
    def out_of_patience(self) -> bool:
        """Whether training has gone on long enough without a smaller error."""
        return self.curve.out_of_patience(self._config.patience)

    def measure(self, encoder: Encoder, step: int, stop: StopRequest) -> ProbeMeasured | None:
        """Add a point to the curve; None, and no point, when asked to stop meanwhile. Leaves evaluation mode on.

        Raises:
            FloatingPointError: the features are infinite or undefined.
        """
        assert self._held is not None
        started = monotonic()
        error = self._held.action_error(encoder, stop)
        self.seconds += monotonic() - started
        if error is None:
            return None
        epoch = step / self._steps_per_epoch
        point = ProbeMeasured(epoch, error.relative, error.linear, error.angular, error.gripper)
        self.curve = self.curve.with_point(point)
        if self._config.keep == "best" and self.curve.best is point:
            self._best_weights = {name: tensor.cpu().clone() for name, tensor in encoder.state_dict().items()}
        return point

    def choose_weights(self, encoder: Encoder) -> None:
        """At the end: give `encoder` the weights that `TrainConfig.keep` asks for, and note whose they are."""
        self.curve = self.curve.choose(self._config.keep)
        if self._best_weights is not None:
            encoder.load_state_dict(self._best_weights)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"curve": self.curve.to_dict(), "best_weights": self._best_weights, "seconds": self.seconds}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint. Raises KeyError, ValueError when it is something else."""
        self.curve = ProbeCurve.from_dict(state["curve"])
        self._best_weights = state["best_weights"]
        self.seconds = state["seconds"]
