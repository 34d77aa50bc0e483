"""One pacing rule for every live loop: fixed deadlines, late ticks counted, never caught up in a burst."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class PacingStatus:
    """Ticks since the start; `overruns` took longer than a period; `dropped` whole periods were skipped by them."""

    ticks: int
    overruns: int
    dropped: int


class Pacer:
    """Waits for the next deadline of a fixed rate.

    Args:
        period_s: time between ticks [s].
        clock: a steady one [s]; injected for tests.
        sleep: waits so many seconds; injected for tests.
    """

    def __init__(
        self,
        period_s: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._period_s = period_s
        self._clock = clock
        self._sleep = sleep
        self._deadline = clock() + period_s
        self.status = PacingStatus(0, 0, 0)

    def wait(self) -> bool:
        """Sleep until the tick's deadline. Returns False when it has passed already: an overrun."""
        status = self.status
        left = self._deadline - self._clock()
        if left >= 0:
            self._sleep(left)
            self._deadline += self._period_s
            self.status = PacingStatus(status.ticks + 1, status.overruns, status.dropped)
            return True
        skipped = int(-left // self._period_s)
        self._deadline += self._period_s * (1 + skipped)
        self.status = PacingStatus(status.ticks + 1, status.overruns + 1, status.dropped + skipped)
        return False

    def restart(self) -> None:
        """Forget past deadlines, for example after a scene was loaded; the counts stay."""
        self._deadline = self._clock() + self._period_s
