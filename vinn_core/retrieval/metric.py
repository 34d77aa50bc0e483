"""Which differences between embeddings matter to the arm: a metric learnt from the demonstrations for each index.

The directions in which images vary most are not those that decide the action. A linear map is learnt under which the
frames near to a frame, those of its own demonstration left out, tell its action best: metric learning for kernel
regression (Weinberger and Tesauro 2007, AISTATS, section 3), with the leave-one-demonstration-out action error as its
loss. The encoder is not touched, and no label but the recorded actions is needed.
"""

from __future__ import annotations

from math import cos, pi
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import IndexConfig
from vinn_core.encoder.torch_setup import one_thread
from vinn_core.progress import Report, StageProgress, StopRequest
from vinn_core.retrieval.action_error import CONSTANT_ACTION
from vinn_core.retrieval.embedding import leading_eigenpairs
from vinn_core.retrieval.sampling import evenly_spaced

import torch  # isort: skip  # after torch_setup

FEWEST_DEMONSTRATIONS = 16
"""Of fewer, too much is learnt by heart: measured on lift, 25 demonstrations gain by it, 10 do not."""
_MOST_FRAMES = 8000
_BATCH = 512
_RATE = 0.02
_VARIANCE = 30.0
"""Embeddings are scaled to this total variance, so that one learning rate suits all."""
_SHARPNESS = 3.0
"""The kernel's exponent at the distance that the five nearest frames have on average before learning."""
_KERNEL_NEIGHBOURS = 5


def learn_metric(
    embeddings: NDArray[np.float32],
    episodes: NDArray[np.integer],
    actions: NDArray[np.floating],
    *,
    config: IndexConfig,
    report: Report,
    stop: StopRequest,
) -> NDArray[np.float64] | None:
    """The (E, D) map to where Euclidean distance is the learnt metric. Deterministic in `config.seed`.

    Args:
        embeddings: (N, E).
        episodes: (N,) the demonstration each row belongs to.
        actions: (N, 7).

    Returns:
        None when there are fewer than FEWEST_DEMONSTRATIONS, nothing differs, or asked to stop.
    """
    rows = evenly_spaced(len(embeddings), _MOST_FRAMES)
    spread = float(embeddings[rows].var(axis=0, dtype=np.float64).sum())
    deviation = actions.std(axis=0)
    moving = deviation > CONSTANT_ACTION
    if len(np.unique(episodes[rows])) < FEWEST_DEMONSTRATIONS or spread <= 0.0 or not moving.any():
        return None
    scale = (_VARIANCE / spread) ** 0.5
    frames = torch.from_numpy(embeddings[rows].astype(np.float32) * np.float32(scale))
    wanted = torch.from_numpy((actions[rows][:, moving] / deviation[moving]).astype(np.float32))
    demonstration = torch.from_numpy(episodes[rows].astype(np.int64))
    generator = torch.Generator().manual_seed(config.seed)
    started = monotonic()
    with one_thread():  # the sums are then the same on any number of cores
        _, start = leading_eigenpairs(np.atleast_2d(np.cov(frames.numpy().T)), config.metric_dimensions)
        metric = torch.from_numpy(start.astype(np.float32)).requires_grad_()
        width = _kernel_width(frames @ metric.detach(), demonstration)
        optimiser = torch.optim.Adam([metric])
        for step in range(config.metric_steps):
            if stop:
                return None
            optimiser.param_groups[0]["lr"] = 0.5 * _RATE * (1.0 + cos(pi * step / config.metric_steps))
            asked = torch.randint(len(frames), (min(_BATCH, len(frames)),), generator=generator)
            mapped = frames @ metric
            squares = torch.cdist(mapped[asked], mapped).square()
            squares = squares.masked_fill(demonstration[asked, None] == demonstration, float("inf"))
            predicted = torch.softmax(-_SHARPNESS / width * squares, dim=1) @ wanted
            loss = (predicted - wanted[asked]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            left = (monotonic() - started) / (step + 1) * (config.metric_steps - step - 1)
            report(StageProgress("Learning metric", step + 1, config.metric_steps, "step", left))
    return metric.detach().numpy().astype(np.float64) * scale


def _kernel_width(mapped: torch.Tensor, demonstration: torch.Tensor) -> float:
    """Mean squared distance of a frame's nearest frames in other demonstrations."""
    some = torch.linspace(0, len(mapped) - 1, min(len(mapped), _BATCH)).round().long()
    squares = torch.cdist(mapped[some], mapped).square()
    squares = squares.masked_fill(demonstration[some, None] == demonstration, float("inf"))
    nearest = squares.topk(min(_KERNEL_NEIGHBOURS, len(mapped)), largest=False).values
    return max(float(nearest[nearest.isfinite()].mean()), 1e-9)
