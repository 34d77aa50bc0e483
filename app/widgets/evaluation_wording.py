"""Success rates and comparisons as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.widgets.wording import count
from vinn_core.comparison import paired_test
from vinn_core.errors import ConfigError

if TYPE_CHECKING:
    from vinn_core.evaluation_store import StoredEvaluation


def in_percent(rate: float, interval: tuple[float, float]) -> str:
    """ "95 (76-99) %"."""
    low, high = interval
    return f"{100 * rate:.0f} ({100 * low:.0f}-{100 * high:.0f}) %"


def result_in_words(result: Mapping[str, Any]) -> str:
    """Of `vinn_core.evaluation.evaluate`."""
    low, high = result["interval"]
    rate = in_percent(result["success_rate"], (low, high))
    return f"{result['label']}, look {result['look']}: success {rate} over {count(result['episodes'], 'rollout')}."


def compared(first: StoredEvaluation, second: StoredEvaluation) -> str:
    """The paired test, or why there is none."""
    names = [evaluation.policy for evaluation in (first, second)]
    if names[0] == names[1]:
        names = [evaluation.name for evaluation in (first, second)]
    try:
        test = paired_test(first.success_by_seed, second.success_by_seed)
    except ConfigError as error:
        return str(error)
    seeds = test.both + test.only_first + test.only_second + test.neither
    return (
        f"Over {count(seeds, 'shared seed')}: both solved {test.both}, only {names[0]} {test.only_first}, "
        f"only {names[1]} {test.only_second}, neither {test.neither}. p = {test.p_value:.3g} (McNemar, exact)."
    )
