"""Runs every benchmark, each in a process of its own, and prints what they measured.

    python benchmarks/run_all.py [--quick] [--only NAME ...] [--save FILE] [--compare FILE]

The results also go to benchmarks/results/. Timings depend on what else the machine does: the load is noted with them;
ratios within one run are what should be compared between machines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
QUICK_OPTIONS = {
    "startup": ("--quick",),
    "control_tick": ("--quick",),
    "window_fluidity": ("--quick",),
    "fidelity": ("--quick",),
    "index_query": (),
    "byol_throughput": ("--quick",),
    "kill_recording": ("--kills", "3"),
}
"""The benchmarks, in the order they run, and what makes each of them short."""
PACKAGES = ("numpy", "torch", "torchvision", "mujoco", "PySide6-Essentials", "annoy")


def machine() -> dict[str, Any]:
    """Where and when this was measured."""
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=FOLDER, capture_output=True, text=True)
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision.stdout.strip(),
        "cores": os.cpu_count(),
        "load_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def run(name: str, quick: bool) -> Any:
    """The results of one benchmark; None, after a line that says so, when it fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "results.json"
        command = [sys.executable, str(FOLDER / f"{name}.py"), "--json", str(file)]
        ended = subprocess.run([*command, *(QUICK_OPTIONS[name] if quick else ())], stdout=subprocess.DEVNULL)
        if ended.returncode != 0:
            print(f"{name} failed with exit code {ended.returncode}", file=sys.stderr)
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None


def figures(results: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single figure of nested results with its dotted name."""
    if isinstance(results, dict | list):
        parts = results.items() if isinstance(results, dict) else enumerate(results)
        for part, inner in parts:
            yield from figures(inner, f"{name}.{part}" if name else str(part))
    else:
        yield name, results


def show(results: dict[str, Any], earlier: dict[str, Any]) -> None:
    """Print a table; beside figures that were measured earlier, those and how many times as large the new ones are."""
    before = dict(figures(earlier))
    for benchmark, measured in results.items():
        print(f"\n{benchmark}")
        if measured is None:
            print("  failed")
            continue
        for name, value in figures(measured):
            line = f"  {name:<52} {written(value):>14}"
            then = before.get(f"{benchmark}.{name}")
            if then is not None:
                line += f"   was {written(then):>12}"
                if is_number(then) and is_number(value) and then:
                    line += f"   x {value / then:.2f}"
            print(line)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few repeats each, to see that they work")
    parser.add_argument("--only", nargs="+", choices=tuple(QUICK_OPTIONS), metavar="NAME", help="run these alone")
    parser.add_argument("--save", type=Path, help="write the results here as well")
    parser.add_argument("--compare", type=Path, help="results of an earlier run")
    options = parser.parse_args()
    earlier = json.loads(options.compare.read_text(encoding="utf-8")) if options.compare else {}
    results: dict[str, Any] = {"machine": machine()}
    for name in options.only or QUICK_OPTIONS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results[name] = run(name, options.quick)
    show(results, earlier)
    text = json.dumps(results, indent=2) + "\n"
    stamp = results["machine"]["when"].replace(":", "").partition("+")[0]
    files = [FOLDER / "results" / f"{stamp}.json", *([options.save] if options.save else [])]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    print(f"\nWritten to {', '.join(map(str, files))}")
    return 1 if None in results.values() else 0


if __name__ == "__main__":
    sys.exit(main())
