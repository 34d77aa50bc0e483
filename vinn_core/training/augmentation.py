"""Random views of camera frames for BYOL: light and colour change, geometry does not.

Crops and flips, as BYOL uses them for classification (Grill et al. 2020, appendix B), teach an encoder to forget where
things are, or mirror the action; both are what the arm needs. Every image of a batch draws its own parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch

import torch  # isort: skip  # after torch_setup
from torch import Tensor  # isort: skip
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad  # isort: skip

_LUMINANCE = (0.299, 0.587, 0.114)


class Augmentation:
    """Draws views.

    Args:
        strength: of the photometric changes; 1 is the default, 0 leaves colours as they are.
        crop: smallest area fraction of a random crop; 1 turns crops off.
        generator: source of all randomness, on the device of the images.
    """

    def __init__(self, strength: float, crop: float, generator: torch.Generator) -> None:
        self._strength = strength
        self._crop = crop
        self._generator = generator

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [0, 1] -> one random view of each, same shape and range."""
        views = self._sharpness(self._tone(self._colour(images)))
        if self._crop < 1.0:
            views = self._random_crop(views)
        return views.clamp(0.0, 1.0)

    def _uniform(self, images: Tensor, low: float, high: float, *, channels: int = 1) -> Tensor:
        return self._draw(torch.rand, len(images), channels, 1, 1) * (high - low) + low

    def _draw(self, distribution: Callable[..., Tensor], *shape: int) -> Tensor:
        return distribution(*shape, generator=self._generator, device=self._generator.device)

    def _colour(self, images: Tensor) -> Tensor:
        """Mix the colour channels: any hue may become any other, and now and then all become grey."""
        count = len(images)
        mix = torch.eye(3, device=images.device) + 0.35 * self._strength * self._draw(torch.randn, count, 3, 3)
        grey = self._draw(torch.rand, count, 1, 1) < 0.15 * min(self._strength, 1.0)
        mix = torch.where(grey, torch.tensor(_LUMINANCE, device=images.device).expand(count, 3, 3), mix)
        mixed = torch.einsum("bij,bjhw->bihw", mix, images - 0.5) + 0.5
        return mixed + self._strength * self._uniform(images, -0.2, 0.2, channels=3)

    def _tone(self, images: Tensor) -> Tensor:
        """Contrast and brightness curve."""
        contrast = torch.exp(self._strength * self._uniform(images, -0.6, 0.6))
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        gamma = torch.exp(self._strength * self._uniform(images, -0.4, 0.4))
        return ((images - mean) * contrast + mean).clamp(1e-4, 1.0) ** gamma

    def _sharpness(self, images: Tensor) -> Tensor:
        """Slight blur of half of the images, slight noise on all."""
        row = torch.tensor([0.25, 0.5, 0.25], device=images.device)
        kernel = torch.outer(row, row).expand(3, 1, 3, 3)
        blurred = conv2d(pad(images, (1, 1, 1, 1), mode="reflect"), kernel, groups=3)
        share = (self._uniform(images, -1.0, 1.0)).clamp(min=0.0) * min(self._strength, 1.0)
        noise = self._draw(torch.randn, *images.shape)
        return torch.lerp(images, blurred, share) + noise * self._uniform(images, 0.0, 0.02 * self._strength)

    def _random_crop(self, images: Tensor) -> Tensor:
        """Crops that differ between views, resized to the full size: the paper's way, kept for comparison."""
        scale = torch.sqrt(self._uniform(images, self._crop, 1.0)).flatten()
        free = 1.0 - scale
        shift = self._draw(torch.rand, 2, len(images)) * 2.0 - 1.0
        zero = torch.zeros_like(scale)
        theta = torch.stack(
            (torch.stack((scale, zero, shift[0] * free), 1), torch.stack((zero, scale, shift[1] * free), 1)), 1
        )
        grid = affine_grid(theta, list(images.shape), align_corners=False)
        return grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
