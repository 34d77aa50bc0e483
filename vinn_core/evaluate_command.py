"""`vinn evaluate`: one policy or several over the same seeds, stored and filmed when asked to."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vinn_core.arguments import STOPPED, at_least, folder_name
from vinn_core.command_output import JobOutput
from vinn_core.config import LOOKS, POLICY_SETTINGS, IndexConfig, PolicyConfig
from vinn_core.errors import ConfigError

if TYPE_CHECKING:
    from vinn_core.evaluation import EvaluationSpec
    from vinn_core.workspace import Workspace

_FILMED_ROLLOUTS = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `vinn evaluate`."""
    parser.add_argument("--policy", choices=("vinn", "expert", "random"), default="vinn")
    parser.add_argument("--index", type=folder_name, default="default", help="name of the index")
    parser.add_argument("--setting", choices=POLICY_SETTINGS, default="default", help="of the policy vinn")
    parser.add_argument(
        "--compare",
        type=_index_and_setting,
        nargs="+",
        metavar="SPEC",
        help="evaluate these over the same seeds instead of --policy and --index, and test each pair: "
        "INDEX or INDEX:SETTING, 'expert' or 'random'",
    )
    parser.add_argument("--look", choices=LOOKS, help="visual variation; default: the workspace's")
    parser.add_argument("--episodes", type=at_least(1, int), default=50)
    parser.add_argument("--seed", type=at_least(0, int), default=10000, help="seed of the first rollout")
    parser.add_argument("--k", type=int, help="neighbours")
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--processes", type=at_least(1, int), help="worker processes; default: one per core")
    parser.add_argument(
        "--save",
        type=folder_name,
        metavar="NAME",
        help="store results and rollouts as evaluations/NAME (NAME-SPEC for each of --compare)",
    )
    parser.add_argument("--video", type=Path, help="also film the first rollouts into this MP4 file")
    parser.add_argument("--film-failures", type=Path, metavar="FOLDER", help="also film each failed rollout")


def _index_and_setting(text: str) -> tuple[str, str]:
    """For `type=`: INDEX or INDEX:SETTING."""
    name, _, setting = text.partition(":")
    if setting and setting not in POLICY_SETTINGS:
        raise argparse.ArgumentTypeError(f"{setting!r} is no setting; choose one of: {', '.join(POLICY_SETTINGS)}")
    return folder_name(name), setting or "default"


def run(workspace: Workspace, options: argparse.Namespace, output: JobOutput) -> int:
    """Carry the command out; the exit code."""
    from vinn_core.comparison import compare, comparison_in_words

    if options.compare is None:
        spec = _spec(workspace, options, options.policy, options.index, options.setting)
        result = _Evaluation(workspace, spec, options).run(output)
        text, done = _in_words(result), result["episodes"]
    else:
        specs = [
            _spec(workspace, options, name if name in ("expert", "random") else "vinn", name, setting)
            for name, setting in options.compare
        ]
        results = _evaluate_all(workspace, specs, options, output)
        result = {"policies": results, "pairs": compare(results)}
        text, done = comparison_in_words(results, result["pairs"]), sum(each["episodes"] for each in results.values())
    if output.stop:
        kept = f"; they are kept as '{options.save}'" if options.save else ""
        output.stopped(f"Stopped after {done} rollouts{kept}.", result)
        return STOPPED
    output.finish(result, text)
    return 0


def _spec(workspace: Workspace, options: argparse.Namespace, policy: str, index: str, setting: str) -> EvaluationSpec:
    """What is rolled out. Raises VinnError when there is no such index, or a setting cannot work."""
    from vinn_core.evaluation import EvaluationSpec, index_origin

    look = options.look or workspace.config.look
    if policy != "vinn":
        return EvaluationSpec(policy, look=look)
    changes = {"neighbours": options.k, "temperature": options.temperature}
    given = {name: value for name, value in changes.items() if value is not None}
    PolicyConfig(**given)  # a wrong value is refused before an index is looked for
    suggested = IndexConfig.from_dict(index_origin(workspace, index)["config"]).policy(setting)
    return EvaluationSpec(policy, index, look, replace(suggested, **given), setting)


def _in_words(result: dict[str, Any]) -> str:
    low, high = result["interval"]
    return f"success rate {result['success_rate']:.3f} [{low:.3f}, {high:.3f}] over {result['episodes']} rollouts"


def _evaluate_all(
    workspace: Workspace, specs: list[EvaluationSpec], options: argparse.Namespace, output: JobOutput
) -> dict[str, dict[str, Any]]:
    """Results by label; fewer than `specs` when stopped."""
    labels = [spec.label for spec in specs]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"--compare names one policy twice: {', '.join(labels)}; name each once.")
    if options.video:
        raise ConfigError("--video films one policy; leave out either it or --compare.")
    evaluations = [_Evaluation(workspace, spec, options, spec.label.replace(":", "+")) for spec in specs]
    results = {}
    for evaluation in evaluations:
        results[evaluation.spec.label] = evaluation.run(output, f"Rolling out {evaluation.spec.label}")
        if output.stop:
            break
    return results


class _Evaluation:
    """One policy's evaluation. What can be refused is looked at when it is made, before anything runs.

    Args:
        suffix: that tells what is written of this policy from what is of the others.
    """

    def __init__(
        self, workspace: Workspace, spec: EvaluationSpec, options: argparse.Namespace, suffix: str = ""
    ) -> None:
        from vinn_core.evaluation import index_origin
        from vinn_core.evaluation_store import require_free_name

        self.spec = spec
        self._workspace, self._options = workspace, options
        self._name = f"{options.save}-{suffix}" if options.save and suffix else options.save
        self._films = options.film_failures and options.film_failures / suffix
        self._camera = workspace.config.cameras[0]
        if self._name is not None:
            require_free_name(workspace.evaluations_folder, self._name)
        if spec.policy == "vinn":
            self._camera = index_origin(workspace, spec.index)["cameras"][0]
        elif options.video:
            raise ConfigError(f"--video shows neighbours, which the policy {spec.policy} has none of; leave it out.")

    def run(self, output: JobOutput, stage: str = "Rolling out") -> dict[str, Any]:
        """Roll out, then store and film as asked. When stopped, what there is is stored, and nothing filmed."""
        from vinn_core.evaluation import evaluate
        from vinn_core.evaluation_store import save_evaluation
        from vinn_core.rollout import Rollout

        options, workspace = self._options, self._workspace
        rollouts: list[Rollout] = []
        result = evaluate(
            workspace,
            self.spec,
            options.episodes,
            options.seed,
            output.report,
            output.stop,
            options.processes,
            rollouts.append,
            stage,
        )
        if self._name is not None:
            save_evaluation(workspace.evaluations_folder, self._name, result, rollouts)
        if output.stop:
            return result
        if options.video:
            from vinn_core.video import record_video

            record_video(workspace, self.spec, result["seeds"][:_FILMED_ROLLOUTS], options.video, output.report)
        if self._films is not None:
            from vinn_core.video import film_rollouts

            failures = [rollout for rollout in rollouts if not rollout.success]
            film_rollouts(workspace, failures, self._camera, self._films, output.report)
        return result
