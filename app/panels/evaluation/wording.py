"""Success rates and comparisons as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.wording import count
from vinn_core.errors import ConfigError
from vinn_core.rollouts.significance import paired_test

if TYPE_CHECKING:
    from vinn_core.rollouts.evaluation import EvaluationResult
    from vinn_core.rollouts.store import StoredEvaluation


def in_percent(rate: float, interval: tuple[float, float]) -> str:
    """ "95 (76-99) %"."""
    low, high = interval
    return f"{100 * rate:.0f} ({100 * low:.0f}-{100 * high:.0f}) %"


def result_in_words(result: EvaluationResult) -> str:
    """How an evaluation ended, in a sentence."""
    rate = in_percent(result.success_rate, result.interval)
    return f"{result.label}, look {result.look}: success {rate} over {count(result.episodes, 'rollout')}."


def compared(first: StoredEvaluation, second: StoredEvaluation) -> str:
    """The paired test, or why there is none."""
    names = [evaluation.result.label for evaluation in (first, second)]
    if names[0] == names[1]:
        names = [evaluation.name for evaluation in (first, second)]
    try:
        test = paired_test(first.result.success_by_seed, second.result.success_by_seed)
    except ConfigError as error:
        return str(error)
    seeds = test.both + test.only_first + test.only_second + test.neither
    return (
        f"Over {count(seeds, 'shared seed')}: both solved {test.both}, only {names[0]} {test.only_first}, "
        f"only {names[1]} {test.only_second}, neither {test.neither}. p = {test.p_value:.3g} (McNemar, exact)."
    )
