"""Several policies over the same seeds: every pair tested, and the tables that say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from vinn_core.config import JsonRecord
from vinn_core.rollouts.evaluation import EvaluationResult
from vinn_core.rollouts.significance import PairedTest, paired_test


@dataclass(frozen=True)
class NamedTest(PairedTest):
    """A `PairedTest` with the names of the two policies."""

    first: str = ""
    second: str = ""


@dataclass(frozen=True)
class Comparison(JsonRecord):
    """Several policies over the same seeds.

    Attributes:
        policies: result by name.
        pairs: every two of them.
    """

    policies: Mapping[str, EvaluationResult]
    pairs: tuple[NamedTest, ...]


def compare(results: Mapping[str, EvaluationResult]) -> Comparison:
    """Every pair of results, which are by name and over the same seeds."""
    pairs = []
    for first, second in combinations(results, 2):
        test = paired_test(results[first].success_by_seed, results[second].success_by_seed)
        pairs.append(NamedTest(**test.to_dict(), first=first, second=second))
    return Comparison(results, tuple(pairs))


def comparison_in_words(comparison: Comparison) -> str:
    """Both tables as text: one row a policy, then one row a pair."""
    rates = [("policy", "success rate", "95 % interval", "mean time to success", "rollouts")]
    for name, result in comparison.policies.items():
        low, high = result.interval
        time = result.seconds_to_success
        rates.append(
            (
                name,
                f"{result.success_rate:.3f}",
                f"[{low:.3f}, {high:.3f}]",
                "-" if time is None else f"{time:.1f} s",
                str(result.episodes),
            )
        )
    rows: list[tuple[str, ...]] = [
        ("first", "second", "both", "only first", "only second", "neither", "p-value (McNemar, exact)")
    ]
    for pair in comparison.pairs:
        counts = (str(count) for count in (pair.both, pair.only_first, pair.only_second, pair.neither))
        rows.append((pair.first, pair.second, *counts, f"{pair.p_value:.3g}"))
    return "\n\n".join(_aligned(table) for table in (rates, rows) if len(table) > 1)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
