"""The whole loop without a person: demonstrations, training, index, rollouts, for each look; a report at the end.

`python -m vinn_core.demo` writes demo-report/: results.json, a film of rollouts with their neighbour frames, and the
workspaces, which the window can open.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from vinn_core.collect import collect
from vinn_core.command_output import JobOutput
from vinn_core.config import PRESETS, IndexConfig, TrainConfig, WorkspaceConfig
from vinn_core.encoder import load_encoder
from vinn_core.errors import VinnError
from vinn_core.evaluation import EvaluationSpec, evaluate
from vinn_core.index import build_index
from vinn_core.training import train_on_workspace
from vinn_core.video import record_video
from vinn_core.workspace import Workspace

FIRST_HELD_OUT_SEED = 10000
_FILMED_ROLLOUTS = 6
_LOOKS = "none", "varied"


def encoders_compared(preset: TrainConfig) -> dict[str, TrainConfig]:
    """The encoders of the report, alike but for their weights: trained by BYOL, its start weights, and random ones.

    Where training did harm, the first is its start weights too; its "origin" tells.
    """
    untrained = replace(preset, epochs=0)
    return {
        "success_rate_random_encoder": replace(untrained, start_weights="random"),
        "success_rate_frozen_encoder": untrained,
        "success_rate": preset,  # last: the window takes the newest index
    }


def run_look(workspace: Workspace, demonstrations: int, rollouts: int, preset: TrainConfig) -> dict[str, Any]:
    """The loop for one look; the entry of results.json."""
    look = workspace.config.look
    output = JobOutput()
    started = monotonic()
    collected = collect(workspace, demonstrations, 0, 1.0, look, output.report, output.stop)
    result: dict[str, Any] = {
        "demonstrations": len(collected["episodes"]),
        "frames": collected["frames"],
        "episodes": rollouts,
        "seconds": {"collect": monotonic() - started},
        "encoders": {},
    }
    for key, config in encoders_compared(preset).items():
        name = "default" if key == "success_rate" else key.removeprefix("success_rate_").removesuffix("_encoder")
        started = monotonic()
        trained = train_on_workspace(workspace, name, config, output.report, output.stop)
        build_index(
            workspace,
            load_encoder(workspace.encoders_folder / name),
            name,
            IndexConfig(),
            name,
            output.report,
            output.stop,
        )
        result["seconds"][f"train_and_index_{name}"] = monotonic() - started
        measured = evaluate(
            workspace, EvaluationSpec("vinn", name, look), rollouts, FIRST_HELD_OUT_SEED, output.report, output.stop
        )
        result[key] = measured["success_rate"]
        result["seconds"][f"rollouts_{name}"] = measured["wall_s"]
        result["encoders"][name] = {
            "origin": trained["origin"],
            "interval": measured["interval"],
            "outcomes": measured["outcomes"],
            "trajectory_sha256": measured["trajectory_sha256"],
        }
        if key == "success_rate":
            result["interval"] = measured["interval"]
        low, high = measured["interval"]
        print(f"look {look}, encoder {name}: success rate {measured['success_rate']:.2f} [{low:.2f}, {high:.2f}]")
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration. Returns 0 on success, 2 when something is missing."""
    parser = argparse.ArgumentParser(prog="python -m vinn_core.demo", description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("demo-report"), help="folder that the report goes to")
    parser.add_argument("--demonstrations", type=int, default=100)
    parser.add_argument("--rollouts", type=int, default=50)
    parser.add_argument("--preset", choices=tuple(PRESETS), default="quick")
    options = parser.parse_args(arguments)
    report: Path = options.report
    started = monotonic()
    results: dict[str, Any] = {}
    try:
        for look in _LOOKS:
            folder = report / "workspaces" / look
            shutil.rmtree(folder, ignore_errors=True)
            with Workspace.open(folder, WorkspaceConfig(look=look)) as workspace:
                results[look] = run_look(workspace, options.demonstrations, options.rollouts, PRESETS[options.preset])
                seeds = list(range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + min(_FILMED_ROLLOUTS, options.rollouts)))
                spec = EvaluationSpec("vinn", "default", look)
                record_video(workspace, spec, seeds, report / f"rollouts-{look}.mp4", JobOutput().report)
            results["wall_s"] = monotonic() - started
            (report / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    except (VinnError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Finished in {results['wall_s'] / 60:.1f} minutes: {report / 'results.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
