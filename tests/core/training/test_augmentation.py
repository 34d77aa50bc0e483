"""Random views: what they change and what they leave alone."""

from __future__ import annotations

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch
from vinn_core.training.augmentation import Augmentation

import torch  # isort: skip  # after torch_setup
from torch import Tensor  # isort: skip


def views_of(images: Tensor, strength: float = 1.0, crop: float = 1.0, seed: int = 0) -> Tensor:
    return Augmentation(strength, crop, torch.Generator().manual_seed(seed))(images)


def edge_columns(images: Tensor) -> Tensor:
    """(B,): between which columns each image changes most."""
    return images.mean(dim=2).diff(dim=2).abs().sum(dim=1).argmax(dim=1)


def half_dark_half_light(count: int) -> Tensor:
    images = torch.full((count, 3, 48, 48), 0.35)
    images[..., 20:] = 0.65
    return images


def test_views_are_images_of_the_same_shape_and_range() -> None:
    views = views_of(torch.rand(8, 3, 24, 32), crop=0.7)
    assert views.shape == (8, 3, 24, 32)
    assert views.dtype == torch.float32
    assert 0.0 <= float(views.min()) < float(views.max()) <= 1.0


def test_every_image_of_a_batch_draws_its_own_view() -> None:
    views = views_of(torch.rand(1, 3, 24, 24).expand(12, 3, 24, 24))
    means = views.mean(dim=(2, 3))
    assert all(not torch.allclose(means[i], means[j], atol=0.01) for i in range(12) for j in range(i))


def test_views_follow_the_seed() -> None:
    images = torch.rand(4, 3, 24, 24)
    assert torch.equal(views_of(images, crop=0.7, seed=5), views_of(images, crop=0.7, seed=5))
    assert not torch.equal(views_of(images, seed=5), views_of(images, seed=6))


def test_two_views_drawn_in_a_row_differ() -> None:
    images = torch.rand(4, 3, 24, 24)
    augmentation = Augmentation(1.0, 1.0, torch.Generator().manual_seed(0))
    assert not torch.allclose(augmentation(images), augmentation(images), atol=0.01)


def test_images_are_not_changed_in_place() -> None:
    images = torch.rand(4, 3, 24, 24)
    before = images.clone()
    views_of(images, crop=0.7)
    assert torch.equal(images, before)


def test_photometric_views_leave_everything_where_it_is() -> None:
    assert (edge_columns(views_of(half_dark_half_light(64))) == 19).float().mean() > 0.9


def test_crops_move_things_and_only_when_asked_for() -> None:
    columns = edge_columns(views_of(half_dark_half_light(64), strength=0.0, crop=0.5))
    assert len(columns.unique()) > 5
    assert (edge_columns(views_of(half_dark_half_light(64), strength=0.0)) == 19).all()


def test_strength_zero_changes_nothing() -> None:
    images = torch.rand(4, 3, 24, 24)
    torch.testing.assert_close(views_of(images, strength=0.0), images, atol=1e-4, rtol=1e-4)


def test_hues_become_others_and_some_views_grey() -> None:
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1).expand(200, 3, 8, 8)
    colours = views_of(red).mean(dim=(2, 3))
    strongest = colours.argmax(dim=1)
    assert all((strongest == channel).sum() > 10 for channel in range(3))
    brightness = colours.mean(dim=1)
    assert brightness.max() - brightness.min() > 0.3


def test_stronger_views_change_more() -> None:
    images = torch.rand(64, 3, 24, 24)
    weak, usual = ((views_of(images, strength) - images).abs().mean() for strength in (0.3, 1.0))
    assert weak < usual
