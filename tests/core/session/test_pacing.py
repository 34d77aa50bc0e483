"""A fixed rate: no drift, late ticks counted, skipped ones not made up for in a burst."""

from __future__ import annotations

from vinn_core.session.pacing import Pacer, PacingStatus

PERIOD_S = 0.125  # sums of it are exact


class Clock:
    """Time passes only by sleeping and working."""

    def __init__(self) -> None:
        self.now = 64.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def work(self, periods: float) -> None:
        self.now += periods * PERIOD_S

    def pacer(self) -> Pacer:
        return Pacer(PERIOD_S, lambda: self.now, self.sleep)


def test_the_rate_does_not_drift_with_the_work() -> None:
    clock = Clock()
    pacer = clock.pacer()
    for periods in (0.25, 0.5, 0.75, 0.0, 0.5, 0.25, 0.0, 0.75):
        clock.work(periods)
        assert pacer.wait()
    assert clock.now == 64.0 + 8 * PERIOD_S
    assert pacer.status == PacingStatus(ticks=8, overruns=0, dropped=0)


def test_a_tick_that_ends_on_its_deadline_is_in_time() -> None:
    clock = Clock()
    pacer = clock.pacer()
    clock.work(1.0)
    assert pacer.wait()
    assert pacer.status == PacingStatus(1, 0, 0)


def test_a_slightly_late_tick_is_an_overrun_and_the_next_keeps_the_beat() -> None:
    clock = Clock()
    pacer = clock.pacer()
    clock.work(1.25)
    assert not pacer.wait()
    assert clock.slept == []
    clock.work(0.25)
    assert pacer.wait()
    assert clock.now == 64.0 + 2 * PERIOD_S
    assert pacer.status == PacingStatus(ticks=2, overruns=1, dropped=0)


def test_a_long_stall_drops_ticks_instead_of_hurrying_after() -> None:
    clock = Clock()
    pacer = clock.pacer()
    clock.work(3.5)  # deadlines 1, 2 and 3 passed: one tick came late, two never
    assert not pacer.wait()
    assert pacer.status == PacingStatus(ticks=1, overruns=1, dropped=2)
    assert pacer.wait()
    assert clock.now == 64.0 + 4 * PERIOD_S
    clock.work(0.5)
    assert pacer.wait()
    assert clock.slept == [0.5 * PERIOD_S, 0.5 * PERIOD_S]


def test_a_restart_forgives_the_time_since_but_not_the_past() -> None:
    clock = Clock()
    pacer = clock.pacer()
    clock.work(1.5)
    pacer.wait()
    clock.work(40)
    pacer.restart()
    assert pacer.wait()
    assert clock.slept == [PERIOD_S]
    assert pacer.status == PacingStatus(ticks=2, overruns=1, dropped=0)
