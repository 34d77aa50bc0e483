"""The paired test of two policies, and how a comparison reads."""

from __future__ import annotations

import numpy as np
import pytest

from vinn_core.errors import ConfigError
from vinn_core.rollouts.comparison import compare, comparison_in_words
from vinn_core.rollouts.evaluation import EvaluationResult
from vinn_core.rollouts.significance import PairedTest, paired_test
from vinn_core.session.messages import RunEnd


def by_seed(outcomes: str, first: int = 0) -> dict[int, bool]:
    """ "10" is a success from seed `first` and a failure from the next."""
    return {first + place: outcome == "1" for place, outcome in enumerate(outcomes)}


def test_every_seed_is_counted_once() -> None:
    test = paired_test(by_seed("1110010"), by_seed("1001010"))
    assert (test.both, test.only_first, test.only_second, test.neither) == (2, 2, 1, 2)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    # 2 * sum of C(n, i) / 2^n over i up to the smaller count, at most 1; worked out by hand.
    [(0, 0, 1.0), (1, 1, 1.0), (4, 0, 0.125), (0, 6, 0.03125), (8, 2, 2 * (1 + 10 + 45) / 1024), (3, 4, 1.0)],
)
def test_the_p_value_is_the_exact_binomial_one(only_first: int, only_second: int, p_value: float) -> None:
    first = by_seed("1" * only_first + "0" * only_second + "110")
    second = by_seed("0" * only_first + "1" * only_second + "110")
    assert paired_test(first, second).p_value == pytest.approx(p_value, abs=1e-12)
    assert paired_test(second, first).p_value == paired_test(first, second).p_value


def test_equally_good_policies_seldom_look_different() -> None:
    random = np.random.default_rng(0)
    values = []
    for _ in range(400):
        solved = random.random((2, 30)) < 0.6
        first, second = ({seed: bool(done) for seed, done in enumerate(row)} for row in solved)
        values.append(paired_test(first, second).p_value)
    assert np.mean(np.array(values) < 0.05) < 0.05


def test_only_shared_seeds_count_and_without_any_there_is_a_way_out() -> None:
    test = paired_test(by_seed("1100"), by_seed("0111", first=2))
    assert test == PairedTest(0, 0, 1, 1, 1.0)
    with pytest.raises(ConfigError, match="no seed in common: evaluate both over the same seeds"):
        paired_test(by_seed("11"), by_seed("11", first=5))


def test_every_pair_is_compared_and_read_in_a_row_of_its_own() -> None:
    def result(ends: list[RunEnd], seconds: float | None) -> EvaluationResult:
        return EvaluationResult(
            policy="vinn",
            label="mine",
            index=None,
            retrieval=None,
            task="lift",
            look="none",
            control_hz=10.0,
            success_rate=ends.count(RunEnd.SUCCESS) / len(ends),
            interval=(0.1, 0.9),
            episodes=len(ends),
            seeds=(7, 8),
            outcomes=tuple(ends),
            ticks=(1, 1),
            seconds_to_success=seconds,
            trajectory_sha256="",
            created="",
            wall_s=1.0,
        )

    results = {
        "mine": result([RunEnd.SUCCESS, RunEnd.SUCCESS], 3.25),
        "random": result([RunEnd.TIME_OUT, RunEnd.TIME_OUT], None),
        "expert": result([RunEnd.SUCCESS, RunEnd.TIME_OUT], 2.0),
    }
    comparison = compare(results)
    pairs = comparison.pairs
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("mine", "random"),
        ("mine", "expert"),
        ("random", "expert"),
    ]
    assert (pairs[0].only_first, pairs[0].p_value) == (2, 0.5)
    rates, tests = comparison_in_words(comparison).split("\n\n")
    assert [line.split()[0] for line in rates.splitlines()] == ["policy", "mine", "random", "expert"]
    assert rates.splitlines()[1].split() == ["mine", "1.000", "[0.100,", "0.900]", "3.2", "s", "2"]
    assert rates.splitlines()[2].split()[-2:] == ["-", "2"]
    assert tests.splitlines()[1].split() == ["mine", "random", "0", "2", "0", "0", "0.5"]
    assert len(tests.splitlines()) == 4
