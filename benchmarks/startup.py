"""Time from the start of the process to the first picture of the window, beside what other programs take to start.

Every number is the median over several starts on a warm disk, taken in turns. torch must not be imported by then.

    python benchmarks/startup.py [--quick] [--before CHECKOUT] [--json results.json]

With `--before`, the window of another checkout is started in turn, in this environment, and the ratio to it is given.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from common import ROOT, finish

from vinn_core.cli.virtual_display import virtual_display
from vinn_core.config import WorkspaceConfig
from vinn_core.workspace import Workspace

PEERS = {
    "interpreter": "pass",
    "import_torch": "import torch",
    "import_mujoco_viewer": "import mujoco.viewer",
    "import_qt": "import PySide6.QtWidgets",
}


def start_window(folder: Path, checkout: Path = ROOT) -> dict[str, Any]:
    """{"s": process start to first picture, "torch": whether torch was imported by then}."""
    ours = {"VINN_QUIT_WHEN_SHOWN": "1", "XDG_CONFIG_HOME": str(folder / "config"), "PYTHONPATH": str(checkout)}
    environment = {**os.environ, **ours}
    started = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "main.py", "--workspace", str(folder / "workspace")],
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    shown = json.loads(ended.stdout.splitlines()[-1])
    return {"s": shown["shown_at"] - started, "torch": shown["torch"]}


def start_peer(code: str) -> float:
    """Seconds that a Python process with `code` takes from start to end."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    return time.monotonic() - started


def measure(quick: bool = False, before: Path | None = None) -> dict[str, Any]:
    repeats = 2 if quick else 7 if before is None else 15
    windows: list[dict[str, Any]] = []
    windows_before: list[float] = []
    peers: dict[str, list[float]] = {name: [] for name in PEERS}
    with virtual_display(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Workspace.open(folder / "workspace", WorkspaceConfig()).close()
        start_window(folder)  # warms the disk
        if before is not None:
            start_window(folder, before)
        for code in PEERS.values():
            start_peer(code)
        for _ in range(repeats):
            windows.append(start_window(folder))
            if before is not None:
                windows_before.append(start_window(folder, before)["s"])
            for peer, code in PEERS.items():
                peers[peer].append(start_peer(code))
    shown = median(window["s"] for window in windows)
    former = {"former_s": median(windows_before), "ratio_to_former": shown / median(windows_before)} if before else {}
    return {
        **former,
        "window_shown_s": shown,
        "slowest_s": max(window["s"] for window in windows),
        "torch_imported": any(window["torch"] for window in windows),
        **{f"{peer}_s": median(times) for peer, times in peers.items()},
        **{f"ratio_to_{peer}": shown / median(times) for peer, times in peers.items()},
        "repeats": repeats,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few repeats, to see that it works")
    parser.add_argument("--before", type=Path, help="folder of another checkout to compare with")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    finish(measure(options.quick, options.before and options.before.resolve()), options.json)


if __name__ == "__main__":
    main()
