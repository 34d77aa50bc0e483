"""How long a training run will take on this computer."""

from __future__ import annotations

from PySide6.QtCore import QSettings

from vinn_core.config import MOST_COMPARED_FRAMES, TrainConfig

_USUAL_SPEED = {
    "efficientnet_lite0": {0: 41.0, 2: 58.0, 4: 99.0},
    "resnet18": {0: 40.0, 2: 65.0, 4: 87.0},
    "mobilenet_v3_small": {0: 212.0, 2: 242.0, 4: 297.0},
}
"""Images per second of BYOL at 96 pixels on two processor cores, by the number of frozen stages."""
_EMBEDDING_SPEED = {"efficientnet_lite0": 170.0, "resnet18": 150.0, "mobilenet_v3_small": 300.0}
"""Images per second of embedding them, reading included."""


def estimate_s(config: TrainConfig, frames: int) -> float:
    """Seconds to train on `frames` images and index them: from the speed measured last, or what is usual."""
    by_stages = _USUAL_SPEED[config.backbone]
    usual_at_96 = by_stages[max(stages for stages in by_stages if stages <= config.frozen_stages)]
    usual = usual_at_96 * (96 / config.image_size) ** 2
    stored = QSettings().value(_key(config), usual)
    speed = float(stored) if isinstance(stored, str | int | float) else usual
    training = config.steps(frames) * min(config.batch_size, frames) / speed
    if config.max_minutes:
        training = min(training, 60 * config.max_minutes)
    embedded = frames
    if config.compare_with_start and config.epochs:
        embedded += 2 * min(frames, MOST_COMPARED_FRAMES * len(config.cameras))
    return training + embedded / _EMBEDDING_SPEED[config.backbone] * usual_at_96 / speed


def remember_speed(config: TrainConfig, images_per_second: float) -> None:
    """Keep a measured speed for the next estimate."""
    if images_per_second > 0:
        QSettings().setValue(_key(config), images_per_second)


def _key(config: TrainConfig) -> str:
    return f"training/images_per_second/{config.backbone}/{config.image_size}/{config.frozen_stages}"
