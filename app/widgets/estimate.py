"""How long a training run will take on this computer."""

from __future__ import annotations

from PySide6.QtCore import QSettings

from vinn_core.config import TrainConfig

_USUAL_SPEED = {"efficientnet_lite0": 25.0, "resnet18": 13.0, "mobilenet_v3_small": 110.0}
"""Images per second of BYOL at 96 pixels on two processor cores."""
_EMBEDDING_SPEED = 4.0
"""Embedding an image, relative to training on it."""


def estimate_s(config: TrainConfig, frames: int) -> float:
    """Seconds to train on `frames` images and index them: from the speed measured last, or what is usual."""
    usual = _USUAL_SPEED[config.backbone] * (96 / config.image_size) ** 2
    stored = QSettings().value(_key(config), usual)
    speed = float(stored) if isinstance(stored, str | int | float) else usual
    training = config.steps(frames) * min(config.batch_size, frames) / speed
    if config.max_minutes:
        training = min(training, 60 * config.max_minutes)
    return training + frames / (_EMBEDDING_SPEED * speed)


def remember_speed(config: TrainConfig, images_per_second: float) -> None:
    """Keep a measured speed for the next estimate."""
    if images_per_second > 0:
        QSettings().setValue(_key(config), images_per_second)


def _key(config: TrainConfig) -> str:
    return f"training/images_per_second/{config.backbone}/{config.image_size}"
