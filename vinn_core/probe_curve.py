"""The action errors measured while an encoder is trained and at its end, and whose weights were kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from vinn_core.progress import ProbeMeasured

CLEARLY_WORSE = 1.04
"""Trained weights whose error is 3 % larger than that of the start weights succeeded as often, with 6 % less often."""


@dataclass(frozen=True)
class HeldOutErrors:
    """Mean error of the linear twist on demonstrations left out of the index [m/s], see `vinn_core.encoder_choice`.

    Attributes:
        start: with the start weights. trained: after training.
    """

    start: float
    trained: float

    @property
    def training_made_it_worse(self) -> bool:
        """Clearly, by more than what shows in success."""
        return self.trained > CLEARLY_WORSE * self.start


@dataclass(frozen=True)
class ProbeCurve:
    """What was measured, and what was kept.

    Attributes:
        points: in the order of their epochs; the first is that of the start weights.
        chosen_epoch: whose weights were stored, 0 for the start weights; None while training, or without a probe.
        held_out: the comparison of start and trained weights at the end; None when they were not compared.
    """

    points: tuple[ProbeMeasured, ...] = ()
    chosen_epoch: float | None = None
    held_out: HeldOutErrors | None = None

    @property
    def best(self) -> ProbeMeasured | None:
        """The point of the smallest relative error, the first of equals; None when nothing was measured."""
        return _smallest(self.points)

    def with_point(self, point: ProbeMeasured) -> Self:
        return replace(self, points=(*self.points, point))

    def choose(self, keep: str, compared: bool = False) -> Self:
        """With the `chosen_epoch` that `TrainConfig.keep` asks for; never the start where that is `compared` later."""
        points = self.points[1:] if compared else self.points
        chosen = _smallest(points) if keep == "best" else next(reversed(points), None)
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
            start, trained = (f"{1000 * error:.3g}" for error in (self.held_out.start, self.held_out.trained))
            if chosen.epoch == 0:
                what = "trained, so the start weights were kept"
            return f"linear error on held-out demonstrations {start} -> {trained} mm/s (start weights -> {what})"
        if chosen.epoch == 0:
            return f"action error {chosen.relative:.2f} (start weights, which were kept)"
        return f"action error {self.points[0].relative:.2f} -> {chosen.relative:.2f} (start weights -> {what})"

    def to_dict(self) -> dict[str, Any]:
        return {
            "points": [asdict(point) for point in self.points],
            "chosen_epoch": self.chosen_epoch,
            "held_out": asdict(self.held_out) if self.held_out else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError when the values are something else."""
        held_out = values.get("held_out")  # older ones lack it
        return cls(
            tuple(ProbeMeasured(**point) for point in values["points"]),
            values["chosen_epoch"],
            HeldOutErrors(**held_out) if held_out else None,
        )


def _smallest(points: Sequence[ProbeMeasured]) -> ProbeMeasured | None:
    return min(points, key=lambda point: point.relative, default=None)
