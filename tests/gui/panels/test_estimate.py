"""How long a training is said to take before it starts."""

from __future__ import annotations

import pytest

from app.panels.training.estimate import estimate_s, remember_speed
from vinn_core.config import preset

pytestmark = pytest.mark.usefixtures("own_settings", "qapp")


def test_more_work_takes_longer() -> None:
    quick = estimate_s(preset("quick"), 3000)
    assert estimate_s(preset("frozen"), 3000) < quick < estimate_s(preset("standard"), 3000)
    assert quick < estimate_s(preset("quick"), 6000)
    assert estimate_s(preset("quick", compare_with_start=False), 3000) < quick
    assert quick < estimate_s(preset("quick", frozen_stages=0), 3000)
    assert estimate_s(preset("quick", max_minutes=0.5), 3000) < quick


def test_the_speed_measured_last_counts_for_trainings_of_its_kind() -> None:
    usual, other = estimate_s(preset("quick"), 3000), estimate_s(preset("quick", backbone="resnet18"), 3000)
    remember_speed(preset("quick"), 1.0)
    assert estimate_s(preset("quick"), 3000) > 10 * usual
    assert estimate_s(preset("quick", backbone="resnet18"), 3000) == other
    remember_speed(preset("quick"), 0.0)  # of a run that ended before a step
    assert estimate_s(preset("quick"), 3000) > 10 * usual
