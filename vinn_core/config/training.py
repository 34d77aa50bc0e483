"""What an encoder is, and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vinn_core.config.fields import JsonConfig, option, require, require_one_of

BACKBONES = ("efficientnet_lite0", "resnet18", "mobilenet_v3_small")
START_WEIGHTS = ("imagenet", "random")
FEATURES = ("grid", "global")
KEEP = ("best", "last")
PRESET_NAMES = ("tiny", "frozen", "quick", "standard", "paper")
DEFAULT_PRESET = "quick"
DEVICES = ("auto", "cpu", "cuda", "mps")
FEWEST_COMPARED_DEMONSTRATIONS = 20
"""On which start and trained weights are compared: of fewer, what is left for the index would have no learnt metric."""
MOST_COMPARED_FRAMES = 5000
"""Likewise, of each camera: half a minute to embed on a CPU."""


@dataclass(frozen=True)
class EncoderConfig(JsonConfig):
    """What an encoder is, apart from its weights.

    Attributes:
        feature: "grid" pools the feature map to grid_size x grid_size cells and keeps their positions;
            "global" averages over the whole image.
    """

    backbone: str = option("efficientnet_lite0", "network architecture", choices=BACKBONES)
    start_weights: str = option("imagenet", "what training starts from", choices=START_WEIGHTS, flag="--weights")
    feature: str = option("grid", "whether features keep their place in the image", choices=FEATURES)
    grid_size: int = option(6, "cells along each side of a grid feature", least=1, most=8)
    image_size: int = option(
        96, "side that frames are resized to before they enter the network", least=32, most=512, unit="pixels"
    )


@dataclass(frozen=True)
class TrainConfig(EncoderConfig):
    """BYOL fine-tuning (Grill et al. 2020, arXiv 2006.07733) of an encoder.

    Attributes:
        target_decay: raised to 1 by a cosine (BYOL, section 3.3).
        crop: smallest area fraction of random crops that differ between views; 1 turns them off, as control needs.
        fix_batchnorm: batch norm of the backbone keeps the statistics of its start weights.
        keep: whose weights are stored, "last" or "best": those of the epoch with the smallest action error
            (`vinn_core.training.held_frames`), the start weights included unless they are compared at the end.
        compare_with_start: at the end, go back to the start weights if after training the policy errs clearly more on
            demonstrations left out (`vinn_core.training.choice`).
    """

    preset: str = option(DEFAULT_PRESET, "named settings that the others begin with", choices=PRESET_NAMES)
    cameras: tuple[str, ...] = option(
        ("wrist",), "camera whose frames are trained on; repeat for several", flag="--camera"
    )
    epochs: int = option(4, "passes over the frames", least=0, zero="keep the start weights")
    fewest_steps: int = option(
        0, "more passes where they would be fewer steps than this, as of few demonstrations", least=0
    )
    max_minutes: float = option(0.0, "also stop after this time", least=0, zero="no limit")
    batch_size: int = option(64, "frames per step", least=2)
    learning_rate: float = option(1e-3, "peak learning rate")
    weight_decay: float = option(1e-6, "decoupled weight decay", least=0)
    target_decay: float = option(0.99, "decay of the target network at first")
    projection_size: int = option(64, "outputs of projector and predictor", least=1)
    hidden_size: int = option(256, "hidden units of projector and predictor", least=1)
    crop: float = option(1.0, "smallest area fraction of random crops; 1 for none")
    colour_strength: float = option(1.0, "strength of the photometric augmentation", least=0)
    frozen_stages: int = option(4, "first stages of the backbone that keep their start weights", least=0)
    fix_batchnorm: bool = option(True, "batch norm keeps the statistics of the start weights")
    keep: str = option("last", "weights of the epoch with the smallest action error, or the last", choices=KEEP)
    compare_with_start: bool = option(
        False, "at the end, go back to the start weights if the policy errs clearly more with the trained ones"
    )
    patience: int = option(0, "end after so many epochs without a smaller action error", least=0, zero="never")
    seed: int = option(0, "of initialisation, batches and augmentation", least=0)
    device: str = option("auto", "what it is computed on", choices=DEVICES)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.cameras) > 0, "no cameras to train on; name at least one, such as 'wrist'.")
        require(0 < self.learning_rate < 1, f"learning_rate = {self.learning_rate}; use between 0 and 1, such as 1e-4.")
        require(0 <= self.target_decay < 1, f"target_decay = {self.target_decay}; use 0 or more and below 1.")
        require(0 < self.crop <= 1, f"crop = {self.crop}; use above 0 up to 1 (1: no crops).")

    @property
    def encoder(self) -> EncoderConfig:
        """What is trained."""
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
    require_one_of("preset", name, PRESET_NAMES)
    return replace(PRESETS[name], **changes)
