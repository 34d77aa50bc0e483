"""How frames become searchable vectors, and how an action is made of the nearest ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from vinn_core.config.fields import JsonConfig, option, require, require_one_of

REGRESSIONS = ("mean", "linear")
METRICS = ("euclidean", "learnt")
POLICY_SETTINGS = ("default", "plain")
"""Named ways to retrieve: ours, and VINN as its paper has it."""


@dataclass(frozen=True)
class IndexConfig(JsonConfig):
    """How frames become searchable vectors.

    Attributes:
        whitening_strength: 1 gives all kept dimensions equal variance, 0 leaves their variances as they are.
        metric_steps: see `vinn_core.retrieval.metric`; 0 leaves the Euclidean distance of the embeddings.
        camera_weights: one per camera of the encoder; None is equal weights.
        search_k: -1 is Annoy's default.
        neighbours: of the policy, unless it is given its own.
        temperature: of the policy, unless it is given its own.
    """

    whiten: int = option(256, "dimensions of the camera embedding kept by PCA", least=0, zero="off")
    whitening_strength: float = option(0.5, "how far their variances are made equal", least=0, most=1)
    proprioception_weight: float = option(
        0.6, "weight of end-effector height, tilt and gripper opening beside the camera embedding", least=0
    )
    metric_dimensions: int = option(64, "dimensions of the learnt metric", least=1)
    metric_steps: int = option(100, "steps of learning the metric", least=0, zero="Euclidean distance")
    camera_weights: tuple[float, ...] | None = option(None, "weight of each camera; default: equal")
    trees: int = option(20, "trees of Annoy", least=1)
    search_k: int = option(4000, "nodes that Annoy inspects")
    neighbours: int = option(5, "k, how many recorded frames are averaged")
    temperature: float = option(0.1, "of the softmin over distances")
    seed: int = option(0, "of metric and trees", least=0)
    leave_out_idle: bool = option(True, "leave out the standing still at the start and end of each demonstration")

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_softmin(self.neighbours, self.temperature)
        weights = self.camera_weights or (1.0,)
        require(
            all(isfinite(weight) and weight >= 0 for weight in weights) and any(weights),
            f"camera_weights = {weights}; use 0 or more for each camera, and not 0 for all.",
        )

    def policy(self, setting: str = "default") -> PolicyConfig:
        """The retrieval that this index suggests, in one of POLICY_SETTINGS. Raises ConfigError for another name."""
        require_one_of("policy setting", setting, POLICY_SETTINGS)
        suggested = PolicyConfig(self.neighbours, self.temperature)
        if setting == "plain":
            return replace(suggested, metric="euclidean", regression="mean", gripper_lookahead=0)
        return suggested


@dataclass(frozen=True)
class PolicyConfig(JsonConfig):
    """Retrieval at run time, adjustable while the arm moves.

    Attributes:
        temperature: relative to the mean neighbour distance; small trusts the nearest.
        metric: what is near: by the "learnt" metric of the index, or by the "euclidean" distance of the embeddings, as
            in the paper.
        regression: "mean" averages the neighbours' twists, as the paper does; "linear" fits a plane through more frames
            and takes its value at the present one. The gripper is voted on by the k neighbours either way.
        gripper_lookahead: a neighbour votes with the gripper command that its demonstration gave so many ticks later,
            because it shows each change in one frame only, which the frames around that one would outvote.
        fitted_frames: all where fewer are recorded; nearer weigh more.
    """

    neighbours: int = option(5, "k, how many recorded frames are averaged")
    temperature: float = option(0.1, "of the softmin over distances")
    metric: str = option("learnt", "which recorded frames are near", choices=METRICS)
    regression: str = option("linear", "how the recorded motions become one", choices=REGRESSIONS)
    gripper_lookahead: int = option(1, "ticks that the gripper's vote looks ahead", least=0)
    fitted_frames: int = option(600, "frames that the plane is fitted through", least=2)
    ridge: float = option(0.03, "how much the plane is flattened", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_softmin(self.neighbours, self.temperature)


def _require_softmin(neighbours: int, temperature: float) -> None:
    require(neighbours >= 1, f"k = {neighbours}; use k >= 1.")
    require(temperature > 0 and isfinite(temperature), f"temperature = {temperature}; use above 0.")
