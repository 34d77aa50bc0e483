"""Two policies over the same seeds: the exact paired test, and the tables that a comparison prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from math import comb
from typing import Any

from vinn_core.errors import ConfigError


@dataclass(frozen=True)
class PairedTest:
    """How often which of two policies succeeded from the same seed, and McNemar's exact test of that.

    Attributes:
        both, only_first, only_second, neither: numbers of seeds.
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


def success_by_seed(result: Mapping[str, Any]) -> dict[int, bool]:
    """Of a result of `vinn_core.evaluation.evaluate`."""
    return {seed: end == "success" for seed, end in zip(result["seeds"], result["outcomes"], strict=True)}


def compare(results: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every pair of results, which are by name and over the same seeds.

    Returns:
        [{"first", "second": names, and the fields of `PairedTest`}].
    """
    by_seed = {name: success_by_seed(result) for name, result in results.items()}
    return [
        {"first": first, "second": second, **asdict(paired_test(by_seed[first], by_seed[second]))}
        for first, second in combinations(results, 2)
    ]


def comparison_in_words(results: Mapping[str, Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]]) -> str:
    """Both tables as text: one row a policy, then one row a pair."""
    rates = [("policy", "success rate", "95 % interval", "mean time to success", "rollouts")]
    for name, result in results.items():
        low, high = result["interval"]
        time = result["seconds_to_success"]
        rates.append(
            (
                name,
                f"{result['success_rate']:.3f}",
                f"[{low:.3f}, {high:.3f}]",
                "-" if time is None else f"{time:.1f} s",
                str(result["episodes"]),
            )
        )
    tests = [("first", "second", "both", "only first", "only second", "neither", "p-value (McNemar, exact)")]
    tests += [
        (
            *(str(pair[key]) for key in ("first", "second", "both", "only_first", "only_second", "neither")),
            f"{pair['p_value']:.3g}",
        )
        for pair in pairs
    ]
    return "\n\n".join(_aligned(rows) for rows in (rates, tests) if len(rows) > 1)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
