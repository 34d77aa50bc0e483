"""How far a training run is, in steps and in time, and which frames each step takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import TrainConfig


class Schedule:
    """Counts the steps of one run on so many frames.

    Attributes:
        step: optimiser steps taken.
        total_steps: in all, without a time limit.
        seconds: spent training [s].
    """

    def __init__(self, config: TrainConfig, frames: int) -> None:
        self._config = config
        self._frames = frames
        self._steps_per_epoch = config.steps_per_epoch(frames)
        self._order_of: tuple[int, NDArray[np.intp]] | None = None
        self.total_steps = config.steps(frames)
        self.step = 0
        self.seconds = 0.0

    @property
    def batch_size(self) -> int:
        """Frames in a step."""
        return min(self._config.batch_size, self._frames)

    @property
    def epoch(self) -> float:
        """Passes over the frames so far."""
        return self.step / self._steps_per_epoch

    @property
    def share(self) -> float:
        """How much of the training is done, in [0, 1], by steps or by the time limit, whichever ends first."""
        by_steps = self.step / self.total_steps if self.total_steps else 1.0
        limit_s = self._config.max_minutes * 60.0
        return min(1.0, max(by_steps, self.seconds / limit_s if limit_s else 0.0))

    def batch(self) -> NDArray[np.intp]:
        """(B,) the frames of the next step, drawn without replacement within an epoch; of seed and step alone."""
        epoch, place = divmod(self.step, self._steps_per_epoch)
        if self._order_of is None or self._order_of[0] != epoch:  # once an epoch: it takes as long as there are frames
            order = np.random.default_rng([self._config.seed, epoch]).permutation(self._frames)
            self._order_of = epoch, order
        return self._order_of[1][place * self.batch_size : (place + 1) * self.batch_size]
