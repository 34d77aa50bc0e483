"""BYOL: what learns, what follows slowly, and what the loss sees."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch
from vinn_core.config import EncoderConfig
from vinn_core.encoder.network import create_encoder
from vinn_core.training.byol import Byol, collapse_measure, learning_rate, target_decay

import torch  # isort: skip  # after torch_setup
from torch import Tensor, nn  # isort: skip

SIZE = 32


def make_byol(feature: str = "grid", frozen_stages: int = 0, fix_batchnorm: bool = False, grid_size: int = 2) -> Byol:
    config = EncoderConfig("mobilenet_v3_small", "random", feature, grid_size, SIZE)
    torch.manual_seed(0)
    return Byol(
        create_encoder(config, seed=0),
        projection_size=16,
        hidden_size=32,
        frozen_stages=frozen_stages,
        fix_batchnorm=fix_batchnorm,
    ).train()


def some_views(seed: int = 0, count: int = 8) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def one_step(byol: Byol, first: Tensor, second: Tensor, rate: float = 0.1) -> None:
    optimiser = torch.optim.SGD(byol.trainable(), lr=rate)
    byol(first, second).loss.backward()
    optimiser.step()


def copy_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(module: nn.Module, before: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize("feature", ["grid", "global"])
def test_loss_is_the_symmetric_distance_of_normalised_vectors(feature: str) -> None:
    byol = make_byol(feature).eval()  # fixed batch norm: the two views do not influence each other
    first, second = some_views(1), some_views(2)

    def online(views: Tensor) -> Tensor:
        vector = byol.predictor(byol.projector(byol.encoder.pool(byol.encoder.stages(byol.encoder.normalise(views)))))
        return vector / vector.norm(dim=1, keepdim=True)

    def target(views: Tensor) -> Tensor:
        vector = byol.target_projector(byol.encoder.pool(byol.target_stages(byol.encoder.normalise(views))))
        return vector / vector.norm(dim=1, keepdim=True)

    by_hand = (online(first) - target(second)).square().sum(dim=1).mean()
    by_hand += (online(second) - target(first)).square().sum(dim=1).mean()
    torch.testing.assert_close(byol(first, second).loss, by_hand, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(byol(second, first).loss, byol(first, second).loss, atol=1e-5, rtol=1e-5)


def test_a_step_changes_the_online_network_and_not_the_target() -> None:
    byol = make_byol()
    online = {name: copy_of(module) for name, module in byol.named_children() if not name.startswith("target")}
    target = [parameter.clone() for parameter in byol.target_stages.parameters()]
    one_step(byol, some_views(1), some_views(2))
    assert not any(same(getattr(byol, name), before) for name, before in online.items())
    assert all(torch.equal(a, b) for a, b in zip(target, byol.target_stages.parameters(), strict=True))


@pytest.mark.parametrize(("decay", "expected"), [(1.0, 0.0), (0.75, 0.25), (0.0, 1.0)])
def test_target_moves_the_stated_share_of_the_way(decay: float, expected: float) -> None:
    byol = make_byol()
    one_step(byol, some_views(1), some_views(2))
    slow = [parameter.clone() for parameter in byol.target_stages.parameters()]
    byol.update_target(decay)
    for before, after, online in zip(
        slow, byol.target_stages.parameters(), byol.encoder.stages.parameters(), strict=True
    ):
        torch.testing.assert_close(after - before, expected * (online - before), atol=1e-6, rtol=1e-4)


def test_frozen_stages_keep_their_weights_and_statistics() -> None:
    byol = make_byol(frozen_stages=3)
    before = [copy_of(stage) for stage in byol.encoder.stages]
    one_step(byol, some_views(1), some_views(2))
    kept = [same(stage, weights) for stage, weights in zip(byol.encoder.stages, before, strict=True)]
    assert kept == [True] * 3 + [False] * (len(kept) - 3)


def test_one_stage_learns_however_many_are_asked_to_be_frozen() -> None:
    byol = make_byol(frozen_stages=99)
    before = copy_of(byol.encoder.stages[-1])
    one_step(byol, some_views(1), some_views(2))
    assert not same(byol.encoder.stages[-1], before)


@pytest.mark.parametrize("fix_batchnorm", [True, False])
def test_batchnorm_statistics_of_the_backbone_stay_only_when_fixed(fix_batchnorm: bool) -> None:
    byol = make_byol(fix_batchnorm=fix_batchnorm)
    before = [buffer.clone() for buffer in byol.encoder.stages.buffers()]
    byol(some_views(1), some_views(2))
    unchanged = all(torch.equal(a, b) for a, b in zip(before, byol.encoder.stages.buffers(), strict=True))
    assert unchanged == fix_batchnorm


def test_training_pulls_views_together_cell_by_cell_and_keeps_frames_apart() -> None:
    byol = make_byol()
    optimiser = torch.optim.AdamW(byol.trainable(), lr=3e-3)
    frames = some_views(0, count=12)
    noise = torch.Generator().manual_seed(0)
    losses: list[float] = []
    for _ in range(25):
        result = byol(*(frames + 0.1 * torch.randn(frames.shape, generator=noise) for _ in range(2)))
        optimiser.zero_grad()
        result.loss.backward()
        optimiser.step()
        byol.update_target(0.9)
        losses.append(float(result.loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        assert byol(frames, frames).collapse > 0.3
        moved = byol(frames, frames.roll(SIZE // 2, dims=3)).loss  # the same things in other cells
        assert float(moved) > 2.0 * float(byol(frames, frames).loss)


def test_collapse_measure_tells_spread_from_collapsed_projections() -> None:
    spread = torch.randn(64, 32, 2, 2, generator=torch.Generator().manual_seed(0))
    assert collapse_measure(spread) == pytest.approx(1.0, abs=0.05)
    assert collapse_measure(7.0 * spread) == pytest.approx(collapse_measure(spread))
    assert collapse_measure(torch.ones(64, 32, 2, 2)) == pytest.approx(0.0, abs=1e-6)
    one_direction = torch.randn(64, 1, 1, 1) * torch.ones(1, 32, 1, 1)
    assert collapse_measure(one_direction.abs()) == pytest.approx(0.0, abs=1e-6)


def test_collapse_measure_of_a_single_vector_is_a_number() -> None:
    assert collapse_measure(torch.ones(1, 8, 1, 1)) == 0.0


def test_target_decay_rises_from_its_start_to_one_along_a_cosine() -> None:
    assert target_decay(0.96, 0.0) == pytest.approx(0.96)
    assert target_decay(0.96, 0.5) == pytest.approx(0.98)
    assert target_decay(0.96, 1.0) == 1.0
    rising = [target_decay(0.96, share / 10) for share in range(11)]
    assert rising == sorted(rising)


def test_learning_rate_warms_up_then_falls_to_zero_along_a_cosine() -> None:
    assert learning_rate(1.0, 0, 0.0) == pytest.approx(1 / 20)
    assert learning_rate(1.0, 19, 0.0) == pytest.approx(1.0)
    assert learning_rate(1.0, 500, 0.25) == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert learning_rate(1.0, 1000, 1.0) == pytest.approx(0.0)
