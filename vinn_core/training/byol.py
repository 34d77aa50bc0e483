"""BYOL: an encoder learns to predict, from one view of a frame, what a slow copy of itself sees in another view.

Grill et al. 2020, "Bootstrap Your Own Latent", arXiv 2006.07733.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch
from vinn_core.encoder.network import Encoder

import torch  # isort: skip  # after torch_setup
from torch import Tensor, nn  # isort: skip
from torch.nn.functional import cosine_similarity, normalize  # isort: skip


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Projector and predictor (section 3.2 and appendix C.1): linear, batch norm, ReLU, linear. As 1 x 1 convolutions,
    so that every cell of a feature grid passes through the same head and stays where it is."""
    return nn.Sequential(
        nn.Conv2d(inputs, hidden, 1, bias=False),
        nn.BatchNorm2d(hidden),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, outputs, 1),
    )


@dataclass(frozen=True)
class StepResult:
    """Of one step: `loss` with gradient, and the collapse measure (see `collapse_measure`)."""

    loss: Tensor
    collapse: float


class Byol(nn.Module):
    """Online network (encoder, projector, predictor) and target network (encoder, projector); section 3.1.

    With a feature grid, the loss compares each cell with the same cell of the other view: the views share their
    geometry, so position survives training. With a global feature it is the published loss.

    Args:
        encoder: trained in place.
        projection_size: outputs of the heads.
        hidden_size: hidden units of the heads.
        frozen_stages: this many first stages of the backbone keep their weights.
        fix_batchnorm: batch norm of the backbone keeps its statistics, as fine-tuning on few, alike frames needs.
    """

    def __init__(
        self, encoder: Encoder, *, projection_size: int, hidden_size: int, frozen_stages: int, fix_batchnorm: bool
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.projector = _head(encoder.channels, hidden_size, projection_size)
        self.predictor = _head(projection_size, hidden_size, projection_size)
        self.frozen_stages = min(frozen_stages, len(encoder.stages) - 1)
        self._fix_batchnorm = fix_batchnorm
        self.target_stages = copy.deepcopy(encoder.stages[self.frozen_stages :])
        self.target_projector = copy.deepcopy(self.projector)
        for part in (encoder.stages[: self.frozen_stages], self.target_stages, self.target_projector):
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Byol:
        super().train(mode)
        self.encoder.stages[: self.frozen_stages].eval()
        if self._fix_batchnorm:
            self.encoder.stages.eval()
            self.target_stages.eval()
        return self

    def trainable(self) -> Iterable[nn.Parameter]:
        """The online network's parameters that learn."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def forward(self, first: Tensor, second: Tensor) -> StepResult:
        """The symmetric loss (eq. 2 and the line below it) of two views, each (B, 3, H, W) float32 in [0, 1]."""
        views = self.encoder.normalise(torch.cat((first, second))).contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            shared = self.encoder.stages[: self.frozen_stages](views)
        online = self.predictor(self.projector(self.encoder.pool(self.encoder.stages[self.frozen_stages :](shared))))
        with torch.no_grad():
            target = self.target_projector(self.encoder.pool(self.target_stages(shared)))
        online_first, online_second = online.chunk(2)
        target_first, target_second = target.chunk(2)
        loss = _regression_loss(online_first, target_second) + _regression_loss(online_second, target_first)
        return StepResult(loss, collapse_measure(target_first))

    @torch.no_grad()
    def update_target(self, decay: float) -> None:
        """Target <- decay * target + (1 - decay) * online (eq. 1)."""
        pairs = (
            (self.target_stages, self.encoder.stages[self.frozen_stages :]),
            (self.target_projector, self.projector),
        )
        for target, online in pairs:
            for slow, fast in zip(target.parameters(), online.parameters(), strict=True):
                slow.lerp_(fast, 1.0 - decay)
            for slow, fast in zip(target.buffers(), online.buffers(), strict=True):
                slow.copy_(fast)


def _regression_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Eq. 2: 2 - 2 cos(prediction, target), averaged over images and cells."""
    return (2.0 - 2.0 * cosine_similarity(prediction, target.detach(), dim=1)).mean()


@torch.no_grad()
def collapse_measure(projections: Tensor) -> float:
    """Standard deviation over batch and cells of L2-normalised projections times sqrt(dimension).

    1 means spread evenly over the sphere, 0 that everything gets the same vector. `projections` is (B, C, h, w).
    """
    unit = normalize(projections.float(), dim=1)
    return float(unit.std(dim=(0, 2, 3), correction=0).mean() * math.sqrt(projections.shape[1]))


def target_decay(start: float, share: float) -> float:
    """Decay of the target after `share` in [0, 1] of training: from `start` to 1 along a cosine (section 3.3)."""
    return 1.0 - (1.0 - start) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def learning_rate(peak: float, step: int, share: float, *, warm_up_steps: int = 20) -> float:
    """Linear warm-up, then cosine decay to 0 (section 3.3)."""
    return peak * min(1.0, (step + 1) / warm_up_steps) * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
