"""Every setting, as frozen dataclasses that validate themselves and turn into JSON and back. Imports nothing heavy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

from vinn_core.errors import ConfigError

LOOKS = ("none", "varied", "distractors")
TASKS = ("lift", "push", "stack", "door")
BACKBONES = ("efficientnet_lite0", "resnet18", "mobilenet_v3_small")
START_WEIGHTS = ("imagenet", "random")
FEATURES = ("grid", "global")
REGRESSIONS = ("mean", "linear")
METRICS = ("euclidean", "learnt")
POLICY_SETTINGS = ("default", "plain")
"""Named ways to retrieve: ours, and VINN as its paper has it."""
KEEP = ("best", "last")
FEWEST_COMPARED_DEMONSTRATIONS = 20
"""On which start and trained weights are compared: of fewer, what is left for the index would have no learnt metric."""
MOST_COMPARED_FRAMES = 5000
"""Likewise, of each camera: half a minute to embed on a CPU."""


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise ConfigError(sentence)


def _require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    _require(value in allowed, f"{name} = {value!r} is unknown; choose one of: {', '.join(allowed)}.")


class JsonConfig:
    """JSON both ways for the dataclasses below."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises ConfigError naming the unknown or missing setting."""
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        _require(not unknown, f"unknown setting {', '.join(unknown)}; known are: {', '.join(sorted(known))}.")
        converted = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        try:
            return cls(**converted)
        except TypeError as error:
            raise ConfigError(f"{cls.__name__} cannot be read: {error}.") from error

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"


@dataclass(frozen=True)
class WorkspaceConfig(JsonConfig):
    """What all episodes of a workspace share.

    Attributes:
        task: task name. look: visual variation.
        cameras: cameras recorded in each observation. image_size: their height and width [pixel].
        control_hz: control rate [1/s].
    """

    task: str = "lift"
    look: str = "none"
    cameras: tuple[str, ...] = ("wrist", "front")
    image_size: int = 96
    control_hz: float = 10.0
    format_version: int = 1

    def __post_init__(self) -> None:
        _require_one_of("task", self.task, TASKS)
        _require_one_of("look", self.look, LOOKS)
        _require(len(self.cameras) > 0, "no cameras are named; name at least one, such as 'wrist'.")
        _require(32 <= self.image_size <= 512, f"image_size = {self.image_size}; use 32 to 512 pixels.")
        _require(self.control_hz == 10.0, f"control_hz = {self.control_hz}; only 10 is supported.")
        _require(
            self.format_version == 1, f"format_version {self.format_version} is newer than this program; update it."
        )


@dataclass(frozen=True)
class EncoderConfig(JsonConfig):
    """What an encoder is, apart from its weights.

    Attributes:
        backbone: network architecture. start_weights: what training starts from.
        feature: "grid" pools the feature map to grid_size x grid_size cells and keeps their positions;
            "global" averages over the whole image.
        image_size: side [pixel] that frames are resized to before they enter the network.
    """

    backbone: str = "efficientnet_lite0"
    start_weights: str = "imagenet"
    feature: str = "grid"
    grid_size: int = 6
    image_size: int = 96

    def __post_init__(self) -> None:
        _require_one_of("backbone", self.backbone, BACKBONES)
        _require_one_of("start_weights", self.start_weights, START_WEIGHTS)
        _require_one_of("feature", self.feature, FEATURES)
        _require(1 <= self.grid_size <= 8, f"grid_size = {self.grid_size}; use 1 to 8.")
        _require(32 <= self.image_size <= 512, f"image_size = {self.image_size}; use 32 to 512 pixels.")


@dataclass(frozen=True)
class TrainConfig(JsonConfig):
    """BYOL fine-tuning (Grill et al. 2020, arXiv 2006.07733).

    Attributes:
        preset: the name it came from. encoder: what is trained.
        cameras: cameras whose frames are trained on.
        epochs: passes over the frames; 0 keeps the start weights. fewest_steps: more passes where that would be fewer
            steps than this, as of few demonstrations. max_minutes: also stop after this time; 0: never.
        batch_size: frames per step. learning_rate: peak. weight_decay: decoupled.
        target_decay: starting decay of the target network; raised to 1 by a cosine (BYOL, section 3.3).
        projection_size, hidden_size: of projector and predictor.
        crop: smallest area fraction of random crops that differ between views; 1 turns them off, as control needs.
        colour_strength: strength of photometric augmentation, 1 is the default.
        frozen_stages: first stages of the backbone that keep their start weights.
        fix_batchnorm: batch norm of the backbone keeps the statistics of its start weights.
        keep: whose weights are stored, "last" or "best": those of the epoch with the smallest action error
            (`vinn_core.held_frames`), the start weights included unless they are compared at the end.
        compare_with_start: at the end, go back to the start weights if after training the policy errs clearly more on
            demonstrations left out (`vinn_core.encoder_choice`).
        patience: stop after so many epochs without a smaller action error; 0: never.
        seed: of initialisation, batches and augmentation. device: "auto", "cpu", "cuda" or "mps".
    """

    preset: str = "quick"
    backbone: str = "efficientnet_lite0"
    start_weights: str = "imagenet"
    feature: str = "grid"
    grid_size: int = 6
    image_size: int = 96
    cameras: tuple[str, ...] = ("wrist",)
    epochs: int = 4
    fewest_steps: int = 0
    max_minutes: float = 0.0
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-6
    target_decay: float = 0.99
    projection_size: int = 64
    hidden_size: int = 256
    crop: float = 1.0
    colour_strength: float = 1.0
    frozen_stages: int = 4
    fix_batchnorm: bool = True
    keep: str = "last"
    compare_with_start: bool = False
    patience: int = 0
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        _ = self.encoder  # validates the encoder's part
        _require(len(self.cameras) > 0, "no cameras to train on; name at least one, such as 'wrist'.")
        _require(self.epochs >= 0, f"epochs = {self.epochs}; use 0 (keep the start weights) or more.")
        _require(self.max_minutes >= 0, f"max_minutes = {self.max_minutes}; use 0 (no limit) or more.")
        _require(self.batch_size >= 2, f"batch_size = {self.batch_size}; use 2 or more.")
        _require(
            0 < self.learning_rate < 1, f"learning_rate = {self.learning_rate}; use between 0 and 1, such as 1e-4."
        )
        _require(0 <= self.target_decay < 1, f"target_decay = {self.target_decay}; use 0 or more and below 1.")
        for size in ("projection_size", "hidden_size"):
            _require(getattr(self, size) >= 1, f"{size} = {getattr(self, size)}; use 1 or more.")
        for amount in ("fewest_steps", "weight_decay", "colour_strength", "frozen_stages", "patience", "seed"):
            _require(getattr(self, amount) >= 0, f"{amount} = {getattr(self, amount)}; use 0 or more.")
        _require(0 < self.crop <= 1, f"crop = {self.crop}; use above 0 up to 1 (1: no crops).")
        _require_one_of("keep", self.keep, KEEP)
        _require_one_of("device", self.device, ("auto", "cpu", "cuda", "mps"))

    @property
    def encoder(self) -> EncoderConfig:
        return EncoderConfig(self.backbone, self.start_weights, self.feature, self.grid_size, self.image_size)

    def steps_per_epoch(self, frames: int) -> int:
        """Steps of one pass over so many frames; what does not fill a batch is left for another epoch."""
        return max(1, frames // self.batch_size)

    def steps(self, frames: int) -> int:
        """Steps of the whole training on so many frames."""
        return max(self.epochs * self.steps_per_epoch(frames), self.fewest_steps) if self.epochs else 0


PRESETS: dict[str, TrainConfig] = {
    "tiny": TrainConfig(
        preset="tiny",
        backbone="mobilenet_v3_small",
        start_weights="random",
        epochs=1,
        batch_size=16,
        frozen_stages=0,
        fix_batchnorm=False,
    ),
    "frozen": TrainConfig(preset="frozen", epochs=0),
    "quick": TrainConfig(preset="quick", epochs=4, fewest_steps=150, compare_with_start=True),
    "standard": TrainConfig(
        preset="standard", epochs=40, frozen_stages=2, keep="best", compare_with_start=True, patience=10
    ),
    "paper": TrainConfig(
        preset="paper",
        backbone="resnet18",
        feature="global",
        image_size=224,
        epochs=100,
        batch_size=256,
        learning_rate=3e-4,
        crop=0.7,
        frozen_stages=0,
        fix_batchnorm=False,
        projection_size=256,
        hidden_size=4096,
    ),
}


def preset(name: str, **changes: Any) -> TrainConfig:
    """The named preset with some settings changed. Raises ConfigError for an unknown name."""
    _require_one_of("preset", name, tuple(PRESETS))
    return replace(PRESETS[name], **changes)


@dataclass(frozen=True)
class IndexConfig(JsonConfig):
    """How frames become searchable vectors.

    Attributes:
        whiten: dimensions kept by PCA of the camera embedding; 0 turns it off.
        whitening_strength: 1 gives all kept dimensions equal variance, 0 leaves their variances as they are.
        proprioception_weight: weight of end-effector height, tilt and gripper opening beside the camera embedding.
        metric_dimensions: of the learnt metric, see `vinn_core.metric_learning`. metric_steps: of learning it; 0 leaves
            the Euclidean distance of the embeddings.
        camera_weights: one per camera of the encoder; None is equal weights.
        trees, search_k: of Annoy. search_k -1 is Annoy's default.
        neighbours, temperature: defaults of the policy for this index.
        leave_out_idle: leave out the standing still at the start and end of each demonstration.
    """

    whiten: int = 256
    whitening_strength: float = 0.5
    proprioception_weight: float = 0.6
    metric_dimensions: int = 64
    metric_steps: int = 100
    camera_weights: tuple[float, ...] | None = None
    trees: int = 20
    search_k: int = 4000
    neighbours: int = 5
    temperature: float = 0.1
    seed: int = 0
    leave_out_idle: bool = True

    def __post_init__(self) -> None:
        _require(self.whiten >= 0, f"whiten = {self.whiten}; use 0 (off) or more.")
        _require(0 <= self.whitening_strength <= 1, f"whitening_strength = {self.whitening_strength}; use 0 to 1.")
        _require(self.metric_dimensions >= 1, f"metric_dimensions = {self.metric_dimensions}; use 1 or more.")
        _require(self.metric_steps >= 0, f"metric_steps = {self.metric_steps}; use 0 (off) or more.")
        _require(self.trees >= 1, f"trees = {self.trees}; use 1 or more.")
        _require(self.neighbours >= 1, f"k = {self.neighbours}; use k >= 1.")
        _require(self.temperature > 0, f"temperature = {self.temperature}; use above 0.")

    def policy(self, setting: str = "default") -> PolicyConfig:
        """The retrieval that this index suggests, in one of POLICY_SETTINGS. Raises ConfigError for another name."""
        _require_one_of("policy setting", setting, POLICY_SETTINGS)
        suggested = PolicyConfig(self.neighbours, self.temperature)
        if setting == "plain":
            return replace(suggested, metric="euclidean", regression="mean", gripper_lookahead=0)
        return suggested


@dataclass(frozen=True)
class PolicyConfig(JsonConfig):
    """Retrieval at run time, adjustable while the arm moves.

    Attributes:
        neighbours: k, how many recorded frames are averaged.
        temperature: of the softmin over distances, relative to the mean neighbour distance; small trusts the nearest.
        metric: what is near: by the "learnt" metric of the index, or by the "euclidean" distance of the embeddings, as
            in the paper.
        regression: "mean" averages the neighbours' twists, as the paper does; "linear" fits a plane through more frames
            and takes its value at the present one. The gripper is voted on by the k neighbours either way.
        gripper_lookahead: a neighbour votes with the gripper command that its demonstration gave so many ticks later,
            because it shows each change in one frame only, which the frames around that one would outvote.
        fitted_frames: how many frames the plane is fitted through, all where fewer are recorded; nearer weigh more.
        ridge: how much the plane is flattened.
    """

    neighbours: int = 5
    temperature: float = 0.1
    metric: str = "learnt"
    regression: str = "linear"
    gripper_lookahead: int = 1
    fitted_frames: int = 600
    ridge: float = 0.03

    def __post_init__(self) -> None:
        _require(self.neighbours >= 1, f"k = {self.neighbours}; use k >= 1.")
        _require(self.temperature > 0, f"temperature = {self.temperature}; use above 0.")
        _require_one_of("metric", self.metric, METRICS)
        _require_one_of("regression", self.regression, REGRESSIONS)
        _require(self.gripper_lookahead >= 0, f"gripper_lookahead = {self.gripper_lookahead}; use 0 or more.")
        _require(self.fitted_frames >= 2, f"fitted_frames = {self.fitted_frames}; use 2 or more.")
        _require(self.ridge >= 0, f"ridge = {self.ridge}; use 0 or more.")
