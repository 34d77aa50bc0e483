"""Images a second of one BYOL step: ours against the package byol-pytorch, and our default configuration beside them.

Both train a randomly initialised ResNet-18 on the same batches of 96-pixel frames: two augmented views of each image,
symmetric loss through equally large projector and predictor, backward, AdamW, moving average. byol-pytorch runs twice:
with its own augmentation, drawn once for the whole batch, and with ours, drawn for every image. They take turns in one
process; the ratios are medians over the rounds.

    python benchmarks/byol_throughput.py [--quick] [--json results.json]
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from common import run

from vinn_core.config import TrainConfig, preset
from vinn_core.encoder.network import create_encoder, images_to_tensor
from vinn_core.encoder.torch_setup import choose_device
from vinn_core.training.augmentation import Augmentation
from vinn_core.training.byol import Byol

import torch  # isort: skip  # after torch_setup
import byol_pytorch  # isort: skip
from torch import Tensor  # isort: skip
from torchvision.models import resnet18  # isort: skip
from torchvision.transforms import Normalize  # isort: skip

SIZE, BATCH, ROUNDS = 96, 16, 5
PROJECTION, HIDDEN = 256, 1024
RATE, DECAY = 3e-4, 0.99
SAME_AS_PEER = TrainConfig(
    backbone="resnet18",
    start_weights="random",
    feature="global",
    image_size=SIZE,
    batch_size=BATCH,
    projection_size=PROJECTION,
    hidden_size=HIDDEN,
    frozen_stages=0,
    fix_batchnorm=False,
)

Step = Callable[[Tensor], float]
"""Learns from a batch, (B, 3, H, W) float32 in [0, 1]; returns the loss."""


def our_step(config: TrainConfig) -> Step:
    device = choose_device()
    encoder = create_encoder(config.encoder, seed=0)
    byol = Byol(
        encoder,
        projection_size=config.projection_size,
        hidden_size=config.hidden_size,
        frozen_stages=config.frozen_stages,
        fix_batchnorm=config.fix_batchnorm,
    )
    byol.to(device).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(byol.trainable(), lr=RATE, weight_decay=config.weight_decay)
    augmentation = Augmentation(config.colour_strength, config.crop, torch.Generator(device))

    def step(images: Tensor) -> float:
        loss = byol(augmentation(images), augmentation(images)).loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        byol.update_target(DECAY)
        return loss.item()

    return step


def peer_step(our_views: bool) -> Step:
    device = choose_device()
    augmentation = Augmentation(SAME_AS_PEER.colour_strength, SAME_AS_PEER.crop, torch.Generator(device))
    normalise = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    learner = byol_pytorch.BYOL(
        resnet18(weights=None).to(device),
        image_size=SIZE,
        hidden_layer="avgpool",
        projection_size=PROJECTION,
        projection_hidden_size=HIDDEN,
        augment_fn=(lambda images: normalise(augmentation(images))) if our_views else None,
        use_simplicial_embeddings=False,  # BYOL as published
        moving_average_decay=DECAY,
    )
    learning = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=RATE, weight_decay=SAME_AS_PEER.weight_decay)

    def step(images: Tensor) -> float:
        loss = learner(images)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        learner.update_moving_average()
        return loss.item()

    return step


def measure(quick: bool = False) -> dict[str, Any]:
    """Images a second of each, and how many times as fast as byol-pytorch ours are."""
    random = np.random.default_rng(0)
    batches = [random.integers(0, 256, (BATCH, SIZE, SIZE, 3), dtype=np.uint8) for _ in range(2)]
    images = [images_to_tensor(batch).to(choose_device()) for batch in batches]
    default = preset("quick", image_size=SIZE)
    steps: dict[str, Step] = {
        "byol_pytorch": peer_step(our_views=False),
        "byol_pytorch_with_our_views": peer_step(our_views=True),
        "ours": our_step(SAME_AS_PEER),
        "ours_default": our_step(default),
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(1 + (1 if quick else ROUNDS)):  # the first round only warms up
        for name, step in steps.items():
            started = perf_counter()
            step(images[number % 2])
            seconds[name].append(perf_counter() - started)
    timed = {name: np.array(values[1:]) for name, values in seconds.items()}
    return {
        "image_size": SIZE,
        "batch_size": BATCH,
        "backbone": SAME_AS_PEER.backbone,
        "default_backbone": default.backbone,
        "default_frozen_stages": default.frozen_stages,
        "threads": torch.get_num_threads(),
        "images_per_second": {name: float(BATCH / np.median(values)) for name, values in timed.items()},
        **{
            f"times_as_fast_as_{peer}": {
                name: float(np.median(timed[peer] / timed[name])) for name in ("ours", "ours_default")
            }
            for peer in ("byol_pytorch", "byol_pytorch_with_our_views")
        },
    }


if __name__ == "__main__":
    run(measure, __doc__ or "")
