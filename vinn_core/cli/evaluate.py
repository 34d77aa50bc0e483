"""`vinn evaluate`: one policy or several over the same seeds, stored and filmed when asked to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vinn_core.cli.output import JobOutput
from vinn_core.config import POLICIES, EvaluateJob, PolicyConfig, index_and_setting
from vinn_core.errors import ConfigError
from vinn_core.retrieval.store import index_origin
from vinn_core.rollouts.comparison import compare, comparison_in_words
from vinn_core.rollouts.evaluation import EvaluationResult, EvaluationSpec, evaluate
from vinn_core.rollouts.rollout import Rollout
from vinn_core.rollouts.store import require_free_name, save_evaluation
from vinn_core.rollouts.video import film_apart, film_together
from vinn_core.workspace import Workspace

_FILMED_ROLLOUTS = 8


def run(workspace: Workspace, job: EvaluateJob, output: JobOutput) -> int:
    """Carry the command out; the exit code."""
    if job.compare:
        specs = [_spec(workspace, job, **_policy_named(text)) for text in job.compare]
        results = _evaluate_all(workspace, specs, job, output=output)
        result = compare(results)
        text, done = comparison_in_words(result), sum(each.episodes for each in results.values())
    else:
        spec = _spec(workspace, job, policy=job.policy, index=job.index, setting=job.setting)
        result = _Evaluation(workspace, spec, job).run(output)
        text, done = result.in_words(), result.episodes
    if output.stop:
        kept = f"; they are kept as '{job.save}'" if job.save else ""
        return output.stopped(result, f"Stopped after {done} rollouts{kept}.")
    return output.finish(result, text)


def _policy_named(text: str) -> dict[str, str]:
    """Policy, index and setting of one of `EvaluateJob.compare`."""
    name, setting = index_and_setting(text)
    return {"policy": name if name in POLICIES else "vinn", "index": name, "setting": setting}


def _spec(workspace: Workspace, job: EvaluateJob, *, policy: str, index: str, setting: str) -> EvaluationSpec:
    """What is rolled out. Raises VinnError when there is no such index, or a setting cannot work."""
    look = job.look or workspace.config.look
    if policy != "vinn":
        return EvaluationSpec(policy, look=look)
    changes = {"neighbours": job.k, "temperature": job.temperature}
    given = {name: value for name, value in changes.items() if value is not None}
    PolicyConfig(**given)  # a wrong value is refused before an index is looked for
    suggested = index_origin(workspace, index).config.policy(setting)
    return EvaluationSpec(policy, index, look, replace(suggested, **given), setting)


def _evaluate_all(
    workspace: Workspace, specs: list[EvaluationSpec], job: EvaluateJob, *, output: JobOutput
) -> dict[str, EvaluationResult]:
    """Results by label; fewer than `specs` when stopped."""
    labels = [spec.label for spec in specs]
    if len(set(labels)) < len(labels):
        raise ConfigError(f"--compare names one policy twice: {', '.join(labels)}; name each once.")
    if job.video:
        raise ConfigError("--video films one policy; leave out either it or --compare.")
    evaluations = [_Evaluation(workspace, spec, job, suffix=spec.label.replace(":", "+")) for spec in specs]
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

    def __init__(self, workspace: Workspace, spec: EvaluationSpec, job: EvaluateJob, *, suffix: str = "") -> None:
        self.spec = spec
        self._workspace, self._job = workspace, job
        self._name = f"{job.save}-{suffix}" if job.save and suffix else job.save
        self._films = Path(job.film_failures) / suffix if job.film_failures else None
        self._camera = workspace.config.cameras[0]
        if self._name is not None:
            require_free_name(workspace.evaluations_folder, self._name)
        if spec.policy == "vinn":
            self._camera = index_origin(workspace, spec.index).cameras[0]
        elif job.video:
            raise ConfigError(f"--video shows neighbours, which the policy {spec.policy} has none of; leave it out.")

    def run(self, output: JobOutput, stage: str = "Rolling out") -> EvaluationResult:
        """Roll out, then store and film as asked. When stopped, what there is is stored, and nothing filmed."""
        job, workspace = self._job, self._workspace
        rollouts: list[Rollout] = []
        result = evaluate(
            workspace,
            self.spec,
            episodes=job.episodes,
            seed=job.seed,
            report=output.report,
            stop=output.stop,
            processes=job.processes,
            keep=rollouts.append,
            stage=stage,
        )
        if self._name is not None:
            save_evaluation(workspace.evaluations_folder, self._name, result, rollouts=rollouts)
        if output.stop:
            return result
        if job.video:
            filmed = rollouts[:_FILMED_ROLLOUTS]
            film_together(workspace, filmed, Path(job.video), camera=self._camera, report=output.report)
        failures = [rollout for rollout in rollouts if not rollout.success]
        if self._films is not None and failures:
            film_apart(workspace, failures, self._films, camera=self._camera, report=output.report)
        return result
