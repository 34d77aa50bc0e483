"""The action error measured while an encoder is trained, epoch by epoch, and which epoch's weights it speaks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from vinn_core.progress import ProbeMeasured


@dataclass(frozen=True)
class ProbeCurve:
    """What was measured, and what was kept.

    Attributes:
        points: in the order of their epochs; the first is that of the start weights.
        chosen_epoch: whose weights were stored, 0 for the start weights; None while training, or without a probe.
    """

    points: tuple[ProbeMeasured, ...] = ()
    chosen_epoch: float | None = None

    @property
    def best(self) -> ProbeMeasured | None:
        """The point of the smallest relative error, the first of equals; None when nothing was measured."""
        return min(self.points, key=lambda point: point.relative, default=None)

    def with_point(self, point: ProbeMeasured) -> Self:
        return replace(self, points=(*self.points, point))

    def choose(self, keep: str) -> Self:
        """With the `chosen_epoch` that `TrainConfig.keep` asks for."""
        chosen = self.best if keep == "best" else next(reversed(self.points), None)
        return replace(self, chosen_epoch=chosen.epoch if chosen else None)

    def out_of_patience(self, patience: int) -> bool:
        """Whether the error has not become smaller for this many epochs (`TrainConfig.patience`; 0: never)."""
        return bool(patience and self.best and self.points[-1].epoch - self.best.epoch >= patience)

    def in_words(self) -> str:
        """ "action error 0.62 -> 0.48 (start weights -> trained)"; "" when nothing was measured or chosen."""
        chosen = next((point for point in self.points if point.epoch == self.chosen_epoch), None)
        if chosen is None:
            return ""
        if chosen.epoch == 0:
            return f"action error {chosen.relative:.2f} (start weights, which were kept)"
        last = self.points[-1].epoch
        what = "trained" if chosen.epoch == last else f"epoch {chosen.epoch:g} of {last:g}, the best"
        return f"action error {self.points[0].relative:.2f} -> {chosen.relative:.2f} (start weights -> {what})"

    def to_dict(self) -> dict[str, Any]:
        return {"points": [asdict(point) for point in self.points], "chosen_epoch": self.chosen_epoch}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Raises KeyError, TypeError when the values are something else."""
        return cls(tuple(ProbeMeasured(**point) for point in values["points"]), values["chosen_epoch"])
