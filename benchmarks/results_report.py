"""The measured cells of `paper_table` as Markdown tables, and success by number of demonstrations as a plot.

A cell is named task/look/demonstrations/method, then, where they are not the default, /k<neighbours> and
/seed<encoder seed>.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scipy.stats import spearmanr

from vinn_core.config import LOOKS, TASKS
from vinn_core.rollouts.evaluation import wilson_interval
from vinn_core.rollouts.significance import paired_test

Results = Mapping[str, Mapping[str, Any]]

FEWEST_RANKED = 8
_HEADLINE = ("ours", "frozen")  # alone, they are shown by number of demonstrations
_COLOURS = ("#1f6fb2", "#d9822b", "#3a8f4c", "#8a4fa3")
_LEFT, _TOP, _WIDTH, _HEIGHT = 60, 30, 460, 260


def report(results: Results, titles: Mapping[str, str], plot: str = "") -> str:
    """All tables. `titles`: of the methods, in their order. `plot`: address of the picture that `curve_svg` draws."""
    results = {name: results[name] for name in sorted(results, key=_place)}
    days = sorted({cell["machine"]["when"][:10] for cell in results.values()})
    machines = {_machine(cell["machine"]) for cell in results.values()}
    commits = sorted({cell["machine"]["revision"] for cell in results.values()})
    introduction = (
        f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} on {'; '.join(sorted(machines))}, "
        f"commits {', '.join(commits)}. "
        "In brackets: 95 % Wilson interval. All methods of a column start from the same held-out seeds. "
        "An empty cell is not measured yet. "
        "`python benchmarks/paper_table.py --write docs/results.md` measures it again."
    )
    parts = ["# Results", introduction]
    for look in _present(LOOKS, results, 1):
        for demonstrations in sorted({int(name.split("/")[2]) for name in results}, reverse=True):
            parts += _success_table(results, titles, look, demonstrations=demonstrations)
    parts += _encoder_seeds(results, titles) + _by_demonstrations(results, titles, plot) + _by_k(results, titles)
    parts += _action_errors(results, titles) + _rank_correlations(results)
    return "\n\n".join(parts) + "\n"


def _machine(facts: Mapping[str, Any]) -> str:
    """As much of it as success rates may depend on; results.json has all."""
    system, _, _ = facts["system"].partition("-")
    versions = ", ".join(f"{package} {facts[package]}" for package in ("mujoco", "torch"))
    return f"{facts['cores']} cores, {system}, {versions}"


def _place(name: str) -> tuple[int, int, int]:
    task, look, demonstrations, *_ = name.split("/")
    return LOOKS.index(look), -int(demonstrations), TASKS.index(task)


def _present(known: Sequence[str], results: Results, part: int) -> list[str]:
    """Those of `known` that were measured, in its order."""
    measured = {name.split("/")[part] for name in results}
    return [name for name in known if name in measured]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(successes: Sequence[bool]) -> str:
    low, high = wilson_interval(sum(successes), len(successes))
    return f"{sum(successes) / len(successes):.2f} [{low:.2f}, {high:.2f}]"


def _success_table(results: Results, titles: Mapping[str, str], look: str, *, demonstrations: int) -> list[str]:
    tasks = _present(TASKS, results, 0)
    rows = []
    for method, title in titles.items():
        cells = [results.get(f"{task}/{look}/{demonstrations}/{method}") for task in tasks]
        if any(cells):
            figures = [
                _figure(cell["successes"])
                + _against_ours(results, task, look, demonstrations=demonstrations, method=method)
                if cell
                else ""
                for task, cell in zip(tasks, cells, strict=True)
            ]
            rows.append([title, *figures])
    if len(rows) <= len(_HEADLINE):
        return []
    return [
        f"## Look *{look}*, {demonstrations} demonstrations",
        _table(["method", *tasks], rows),
        "↓ lower, ↑ higher than ours at p < 0.05 (McNemar's exact test over the seeds both have).",
    ]


def _against_ours(results: Results, task: str, look: str, *, demonstrations: int, method: str) -> str:
    ours = results.get(f"{task}/{look}/{demonstrations}/ours")
    if ours is None or method == "ours":
        return ""
    other = results[f"{task}/{look}/{demonstrations}/{method}"]
    paired = paired_test(*(dict(enumerate(cell["successes"])) for cell in (ours, other)))
    if paired.p_value >= 0.05:
        return ""
    return " ↓" if paired.only_first > paired.only_second else " ↑"


def _encoder_seeds(results: Results, titles: Mapping[str, str]) -> list[str]:
    by_seed: dict[str, list[Sequence[bool]]] = defaultdict(list)
    for name, cell in results.items():
        base, _, seed = name.partition("/seed")
        if seed or f"{name}/seed1" in results:
            by_seed[base].append(cell["successes"])
    rows = []
    for base, outcomes in by_seed.items():
        task, look, demonstrations, method = base.split("/")
        pooled = [success for successes in outcomes for success in successes]
        each = ", ".join(f"{sum(successes) / len(successes):.2f}" for successes in outcomes)
        rows.append([task, look, demonstrations, titles[method], each, _figure(pooled)])
    head = ["task", "look", "demonstrations", "method", "each encoder seed", "together"]
    return ["## Several encoder seeds", _table(head, rows)] if rows else []


def _by_demonstrations(results: Results, titles: Mapping[str, str], plot: str) -> list[str]:
    rows = []
    for (task, look, method), points in sorted(_curves(results).items()):
        if len(points) > 2:
            rows += [[task, look, titles[method], str(number), _figure(points[number])] for number in sorted(points)]
    head = ["task", "look", "method", "demonstrations", "success"]
    picture = [f"![Success rate by number of demonstrations]({plot})"] if plot else []
    return ["## Success by number of demonstrations", *picture, _table(head, rows)] if rows else []


def _curves(results: Results) -> dict[tuple[str, str, str], dict[int, Sequence[bool]]]:
    curves: dict[tuple[str, str, str], dict[int, Sequence[bool]]] = defaultdict(dict)
    for name, cell in results.items():
        task, look, demonstrations, method, *rest = name.split("/")
        if not rest:
            curves[task, look, method][int(demonstrations)] = cell["successes"]
    return curves


def _by_k(results: Results, titles: Mapping[str, str]) -> list[str]:
    found: dict[tuple[str, ...], dict[int, str]] = defaultdict(dict)
    for name, cell in results.items():
        base, _, k = name.partition("/k")
        if k:
            found[tuple(base.split("/"))][int(k)] = f"{sum(cell['successes']) / len(cell['successes']):.2f}"
            usual = results.get(base)
            if usual:
                found[tuple(base.split("/"))][5] = f"{sum(usual['successes']) / len(usual['successes']):.2f}"
    ks = sorted({k for figures in found.values() for k in figures})
    rows = [
        [task, look, titles[method], *(figures.get(k, "") for k in ks)]
        for (task, look, _, method), figures in found.items()
    ]
    return ["## Success by k", _table(["task", "look", "method", *map(str, ks)], rows)] if rows else []


def _action_errors(results: Results, titles: Mapping[str, str]) -> list[str]:
    """The paper's offline metric; both settings of an encoder share it."""
    rows: dict[str, dict[str, str]] = defaultdict(dict)
    for name, cell in results.items():
        task, look, demonstrations, method, *rest = name.split("/")
        if not rest and cell["action_error"] is not None and method.startswith("plain"):
            rows[f"{task}, {look}, {demonstrations}"][method] = f"{cell['action_error']:.2f}"
    methods = [method for method in titles if any(method in figures for figures in rows.values())]
    if not rows:
        return []
    meaning = (
        "Of the k nearest frames' mean against what was done, leaving out one demonstration at a time, in standard "
        "deviations of the actions: 0 is perfect, 1 as good as always the mean action."
    )
    return [
        "## Action error",
        meaning,
        _table(
            ["task, look, demonstrations", *(titles[method] for method in methods)],
            [[where, *(figures.get(method, "") for method in methods)] for where, figures in rows.items()],
        ),
    ]


def _rank_correlations(results: Results) -> list[str]:
    """Where at least FEWEST_RANKED encoders were measured by the paper's retrieval."""
    pairs: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for name, cell in results.items():
        task, look, demonstrations, method, *rest = name.split("/")
        if not rest and method.startswith("plain"):
            pairs[task, look, demonstrations].append((cell["action_error"], cell["success_rate"]))
    rows = []
    for where, measured in pairs.items():
        if len(measured) >= FEWEST_RANKED:
            errors, rates = zip(*measured, strict=True)
            rows.append([*where, str(len(measured)), f"{spearmanr(errors, rates).statistic:.2f}"])
    head = ["task", "look", "demonstrations", "encoders", "Spearman's rank correlation"]
    meaning = "-1: the smaller the error, the higher the success rate, without exception; 0: the error tells nothing."
    return ["## Does a smaller action error mean more success?", meaning, _table(head, rows)] if rows else []


def curve_svg(results: Results) -> str:
    """Success by number of demonstrations, with 95 % intervals, as an SVG picture."""
    curves = {key: points for key, points in sorted(_curves(results).items()) if len(points) > 2}
    numbers = sorted({number for points in curves.values() for number in points})

    def x(number: int) -> float:
        return _LEFT + _WIDTH * numbers.index(number) / max(len(numbers) - 1, 1)

    def y(rate: float) -> float:
        return _TOP + _HEIGHT * (1.0 - rate)

    shapes = [_axes(numbers, x, y)]
    for place, ((task, look, method), points) in enumerate(curves.items()):
        colour = _COLOURS[place % len(_COLOURS)]
        rates = {number: sum(successes) / len(successes) for number, successes in points.items()}
        path = " ".join(f"{x(number):.1f},{y(rates[number]):.1f}" for number in sorted(points))
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for number, successes in points.items():
            low, high = wilson_interval(sum(successes), len(successes))
            at = f"{x(number):.1f}"
            shapes.append(
                f'<line x1="{at}" x2="{at}" y1="{y(low):.1f}" y2="{y(high):.1f}" stroke="{colour}"/>'
                f'<circle cx="{at}" cy="{y(rates[number]):.1f}" r="3.5" fill="{colour}"/>'
            )
        label_y = _TOP + _HEIGHT - 14 * (len(curves) - place)
        shapes.append(f'<text x="{_LEFT + _WIDTH - 150}" y="{label_y}" fill="{colour}">{task}, {look}: {method}</text>')
    width, height = _LEFT + _WIDTH + 30, _TOP + _HEIGHT + 55
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{width}" height="{height}" fill="white"/>{"".join(shapes)}</svg>\n'
    )


def _axes(numbers: Sequence[int], x: Callable[[int], float], y: Callable[[float], float]) -> str:
    rates = [
        f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y(rate):.1f}" y2="{y(rate):.1f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 8}" y="{y(rate) + 4:.1f}" text-anchor="end">{rate:g}</text>'
        for rate in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    below = _TOP + _HEIGHT + 18
    places = [f'<text x="{x(number):.1f}" y="{below}" text-anchor="middle">{number}</text>' for number in numbers]
    names = (
        f'<text x="{_LEFT + _WIDTH / 2}" y="{_TOP + _HEIGHT + 40}" text-anchor="middle">demonstrations</text>'
        f'<text x="{_LEFT - 8}" y="{_TOP - 12}">success rate</text>'
    )
    return "".join([*rates, *places, names])
