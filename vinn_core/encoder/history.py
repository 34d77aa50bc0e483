"""The action errors measured while an encoder is trained and at its end, and whose weights were kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from vinn_core.config import JsonRecord
from vinn_core.progress import ProbeMeasured

CLEARLY_WORSE = 1.04
"""Training that made the error 3.5 % larger cost no success, training that made it 6 % larger did."""


@dataclass(frozen=True)
class HeldOutErrors:
    """Mean error of the linear twist on demonstrations left out of the index [m/s], see `vinn_core.training.choice`.

    Attributes:
        start: with the start weights.
        trained: after training.
    """

    start: float
    trained: float

    @property
    def training_made_it_worse(self) -> bool:
        """Clearly, by more than what shows in success."""
        return self.trained > CLEARLY_WORSE * self.start

    def in_words(self) -> str:
        """ "velocity error on demonstrations left out of the index 59 -> 62 mm/s"."""
        start, trained = (f"{1000 * error:.3g}" for error in (self.start, self.trained))
        return f"velocity error on demonstrations left out of the index {start} -> {trained} mm/s"


@dataclass(frozen=True)
class ProbeCurve(JsonRecord):
    """What was measured, and what was kept.

    Attributes:
        points: in the order of their epochs; the first is that of the start weights.
        chosen_epoch: whose weights were stored, 0 for the start weights; None while training, or without a probe.
        start_counts: whether the start weights are among those to choose from; not where they are compared at the end.
        held_out: that comparison; None without one.
    """

    points: tuple[ProbeMeasured, ...] = ()
    chosen_epoch: float | None = None
    start_counts: bool = True
    held_out: HeldOutErrors | None = None

    @property
    def best(self) -> ProbeMeasured | None:
        """The point of the smallest relative error, the first of equals; None when nothing was measured."""
        candidates = self.points if self.start_counts else self.points[1:]
        return min(candidates, key=lambda point: point.relative, default=None)

    def with_point(self, point: ProbeMeasured) -> Self:
        """With one more measured."""
        return replace(self, points=(*self.points, point))

    def choose(self, keep: str) -> Self:
        """With the `chosen_epoch` that `TrainConfig.keep` asks for."""
        chosen = self.best if keep == "best" else next(reversed(self.points), None)
        return replace(self, chosen_epoch=chosen.epoch if chosen else None)

    def with_comparison(self, errors: HeldOutErrors) -> Self:
        """With the start weights chosen if training made it worse."""
        return replace(self, held_out=errors, chosen_epoch=0.0 if errors.training_made_it_worse else self.chosen_epoch)

    def out_of_patience(self, patience: int) -> bool:
        """Whether the error has not become smaller for this many epochs (`TrainConfig.patience`; 0: never)."""
        return bool(patience and self.best and self.points[-1].epoch - self.best.epoch >= patience)

    def in_words(self) -> str:
        """ "action error 0.62 -> 0.48 (start weights -> trained)"; "" when nothing was measured or chosen."""
        chosen = next((point for point in self.points if point.epoch == self.chosen_epoch), None)
        if chosen is None:
            return ""
        last = self.points[-1].epoch
        what = "trained" if chosen.epoch == last else f"epoch {chosen.epoch:g} of {last:g}, the best"
        if self.held_out is not None:
            if chosen.epoch == 0:
                what = "trained; the start weights were kept"
            elif self.held_out.trained > self.held_out.start:
                what += "; too small a difference to matter"
            return f"{self.held_out.in_words()} (start weights -> {what})"
        if chosen.epoch == 0:
            return f"action error {chosen.relative:.2f} (start weights, which were kept)"
        return f"action error {self.points[0].relative:.2f} -> {chosen.relative:.2f} (start weights -> {what})"
