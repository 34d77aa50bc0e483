"""The whole loop without a person: demonstrations, training, index, rollouts, for each look; a report at the end.

`python -m vinn_core.cli.demo` writes demo-report/: results.json, a film of rollouts with their neighbour frames, and
the workspaces, which the window can open.
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

from vinn_core.cli.output import JobOutput
from vinn_core.config import (
    DEFAULT_NAME,
    FIRST_HELD_OUT_SEED,
    PRESETS,
    CollectJob,
    IndexJob,
    TrainConfig,
    TrainJob,
    WorkspaceConfig,
)
from vinn_core.encoder.network import load_encoder
from vinn_core.errors import VinnError
from vinn_core.retrieval.build import build_index
from vinn_core.rollouts.collect import collect
from vinn_core.rollouts.evaluation import EvaluationSpec, evaluate
from vinn_core.rollouts.rollout import Rollout
from vinn_core.rollouts.video import film_together
from vinn_core.training.run import train_on_workspace
from vinn_core.workspace import Workspace

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


def run_look(
    workspace: Workspace, *, demonstrations: int, rollouts: int, preset: TrainConfig, film: Path
) -> dict[str, Any]:
    """The loop for one look; the entry of results.json. The first rollouts of the trained encoder go to `film`."""
    look = workspace.config.look
    output = JobOutput()
    told = {"report": output.report, "stop": output.stop}
    started = monotonic()
    collected = collect(workspace, CollectJob(episodes=demonstrations, look=look), **told)
    result: dict[str, Any] = {
        "demonstrations": len(collected.episodes),
        "frames": collected.frames,
        "episodes": rollouts,
        "seconds": {"collect": monotonic() - started},
        "encoders": {},
    }
    for key, config in encoders_compared(preset).items():
        name = DEFAULT_NAME if key == "success_rate" else key.removeprefix("success_rate_").removesuffix("_encoder")
        started = monotonic()
        trained = train_on_workspace(workspace, TrainJob(name, train=config), **told)
        build_index(workspace, load_encoder(workspace.encoders_folder / name), IndexJob(name), **told)
        result["seconds"][f"train_and_index_{name}"] = monotonic() - started
        rolled_out: list[Rollout] = []
        measured = evaluate(
            workspace,
            EvaluationSpec("vinn", name, look),
            episodes=rollouts,
            seed=FIRST_HELD_OUT_SEED,
            keep=rolled_out.append,
            **told,
        )
        result[key] = measured.success_rate
        result["seconds"][f"rollouts_{name}"] = measured.wall_s
        result["encoders"][name] = {
            "origin": trained.origin,
            "interval": measured.interval,
            "outcomes": measured.outcomes,
            "trajectory_sha256": measured.trajectory_sha256,
        }
        print(f"look {look}, encoder {name}: {measured.in_words()}")
        if key == "success_rate":
            result["interval"] = measured.interval
            camera = config.cameras[0]
            film_together(workspace, rolled_out[:_FILMED_ROLLOUTS], film, camera=camera, report=output.report)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration. Returns 0 on success, 2 when something is missing."""
    parser = argparse.ArgumentParser(prog="python -m vinn_core.cli.demo", description=__doc__)
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
                results[look] = run_look(
                    workspace,
                    demonstrations=options.demonstrations,
                    rollouts=options.rollouts,
                    preset=PRESETS[options.preset],
                    film=report / f"rollouts-{look}.mp4",
                )
            results["wall_s"] = monotonic() - started
            (report / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    except (VinnError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Finished in {results['wall_s'] / 60:.1f} minutes: {report / 'results.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
