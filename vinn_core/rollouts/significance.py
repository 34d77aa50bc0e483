"""Whether two policies differ, over the same seeds: the exact paired test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb

from vinn_core.config import JsonRecord
from vinn_core.errors import ConfigError


@dataclass(frozen=True)
class PairedTest(JsonRecord):
    """How often which of two policies succeeded from the same seed, and McNemar's exact test of that.

    Attributes:
        both: number of seeds that both solved.
        only_first: that the first alone solved.
        only_second: that the second alone solved.
        neither: that none solved.
        p_value: two-sided; how likely the seeds that only one solved are split at least so unevenly when both policies
            are equally good.
    """

    both: int
    only_first: int
    only_second: int
    neither: int
    p_value: float


def paired_test(first: Mapping[int, bool], second: Mapping[int, bool]) -> PairedTest:
    """Compare success by seed, over the seeds that both have (McNemar 1947; exact by the binomial distribution).

    Raises:
        ConfigError: they have no seed in common.
    """
    seeds = first.keys() & second.keys()
    if not seeds:
        raise ConfigError("The two have no seed in common: evaluate both over the same seeds to compare them.")
    both = sum(first[seed] and second[seed] for seed in seeds)
    only_first = sum(first[seed] and not second[seed] for seed in seeds)
    only_second = sum(second[seed] and not first[seed] for seed in seeds)
    neither = len(seeds) - both - only_first - only_second
    return PairedTest(both, only_first, only_second, neither, _two_sided(only_first, only_second))


def _two_sided(one: int, other: int) -> float:
    """The p-value of so many heads and tails of a fair coin."""
    tosses = one + other
    tail = sum(comb(tosses, heads) for heads in range(min(one, other) + 1))
    return min(1.0, 2 * tail / 2**tosses)
