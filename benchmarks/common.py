"""What the benchmarks share: a command line, percentiles, and workspaces made on the spot."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vinn_core.config import CollectJob, IndexJob, TrainJob

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from vinn_core.config import IndexConfig, TrainConfig, WorkspaceConfig, preset
from vinn_core.progress import StopRequest
from vinn_core.rollouts.collect import collect
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]


def run(measure: Callable[[bool], dict[str, Any]], description: str) -> None:
    """The command line of one benchmark: prints what `measure(quick)` returns, and writes it where it is asked to."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few repeats, to see that it works")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    finish(measure(options.quick), options.json)


def finish(results: dict[str, Any], file: Path | None) -> None:
    """Print the results, and write them to `file`."""
    text = json.dumps(results, indent=2) + "\n"
    print(text, end="")
    if file is not None:
        file.write_text(text, encoding="utf-8")


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """{"p50", "p99"} of `values`; nothing of nothing."""
    if not len(values):
        return {}
    return {"p50": float(np.percentile(values, 50)), "p99": float(np.percentile(values, 99))}


def make_workspace(folder: Path, demonstrations: int, look: str = "none") -> None:
    """A workspace of scripted demonstrations from seed 0."""
    with Workspace.open(folder, WorkspaceConfig(look=look)) as workspace:
        collect(
            workspace,
            CollectJob(episodes=demonstrations, seed=0, noise=1.0),
            report=lambda event: None,
            stop=StopRequest(),
        )


def add_policy(folder: Path) -> None:
    """The default encoder with its start weights, and an index: as costly to run as a trained one."""
    from vinn_core.encoder.torch_setup import use_one_thread

    use_one_thread()
    with Workspace.open(folder) as workspace:
        train_and_index(workspace, "default", preset("frozen"))


def train_and_index(workspace: Workspace, name: str, config: TrainConfig) -> None:
    """An encoder, and the default index of the same name and seed."""
    from vinn_core.encoder.network import load_encoder
    from vinn_core.retrieval.build import build_index
    from vinn_core.training.run import train_on_workspace

    stop = StopRequest()
    train_on_workspace(workspace, TrainJob(name, train=config), report=lambda event: None, stop=stop)
    encoder = load_encoder(workspace.encoders_folder / name)
    build_index(
        workspace, encoder, IndexJob(name, index=IndexConfig(seed=config.seed)), report=lambda event: None, stop=stop
    )
