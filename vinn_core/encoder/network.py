"""The image encoder: camera frames in, feature vectors out."""

from __future__ import annotations

import hashlib
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import EncoderConfig, TrainConfig
from vinn_core.encoder.backbones import Backbone, make_backbone, make_untrained_backbone
from vinn_core.encoder.history import ProbeCurve
from vinn_core.encoder.store import WEIGHTS_FILE, StoredEncoder, read_stored_encoder, replace_stored_encoder
from vinn_core.encoder.torch_setup import DAMAGE, one_thread
from vinn_core.errors import EncoderError
from vinn_core.files import disk_errors

import torch  # isort: skip  # after torch_setup
from torch import Tensor, nn  # isort: skip
from torch.nn.functional import adaptive_avg_pool2d, interpolate  # isort: skip

_GPU_BATCH = 64
_FEW = 4
"""Up to this many frames, one after the other is quicker than starting threads."""


class Encoder(nn.Module):
    """A backbone and the pooling that turns its feature map into a vector.

    Args:
        config: what to build.
        backbone: made by `make_backbone` for that config.
        cameras: cameras whose frames it was, or will be, trained on.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: EncoderConfig, backbone: Backbone, cameras: tuple[str, ...]) -> None:
        super().__init__()
        self.config = config
        self.cameras = cameras
        self.weights_origin = backbone.origin
        spatial = config.feature == "grid"
        self.stages = backbone.stages[: backbone.spatial_stages] if spatial else backbone.stages
        self.channels = backbone.spatial_channels if spatial else backbone.channels
        self.cells = config.grid_size if spatial else 1
        self.register_buffer("mean", torch.tensor(backbone.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(backbone.scale).view(1, 3, 1, 1), persistent=False)

    @property
    def feature_size(self) -> int:
        """D, the length of a feature vector."""
        return self.channels * self.cells * self.cells

    def normalise(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [0, 1] -> what the first stage takes, resized to the configured size."""
        size = self.config.image_size
        if images.shape[-2:] != (size, size):
            images = interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)
        return (images - self.mean) / self.scale

    def pool(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, cells, cells): the average within each cell."""
        return adaptive_avg_pool2d(maps, self.cells)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) float32 in [0, 1] -> (B, D) float32."""
        return self.pool(self.stages(self.normalise(images))).flatten(1)

    @property
    def fingerprint(self) -> str:
        """sha256 over configuration and weights: the same if and only if the features are."""
        digest = hashlib.sha256(json.dumps([self.config.to_dict(), self.cameras]).encode())
        for name, tensor in self.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, H, W, 3) uint8 RGB -> (B, D) float32. Puts the encoder into evaluation mode.

        On a CPU every frame passes alone and on one core, several side by side: its features are then the same to the
        bit whichever frames it comes with and however many cores there are.
        """
        if self.training:
            self.eval()
        device = next(self.parameters()).device
        features = np.empty((len(frames), self.feature_size), dtype=np.float32)

        def embed_some(rows: slice) -> None:
            with torch.inference_mode():
                features[rows] = self(images_to_tensor(frames[rows]).to(device)).cpu().numpy()

        size = 1 if device.type == "cpu" else _GPU_BATCH
        slices = [slice(start, start + size) for start in range(0, len(frames), size)]
        workers = torch.get_num_threads() if device.type == "cpu" and len(frames) > _FEW else 1
        with one_thread():
            if workers == 1:
                for rows in slices:
                    embed_some(rows)
            else:
                with ThreadPoolExecutor(workers, thread_name_prefix="embed") as pool:
                    list(pool.map(embed_some, slices))
        return features


def images_to_tensor(frames: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.require(frames, requirements=("C", "W"))).permute(0, 3, 1, 2).float() / 255.0


def create_encoder(config: EncoderConfig, seed: int, cameras: tuple[str, ...] = ("wrist",)) -> Encoder:
    """An encoder with the start weights of `config`; random ones are drawn from `seed`.

    Raises:
        EncoderError: the start weights cannot be had.
    """
    return Encoder(config, make_backbone(config.backbone, config.start_weights, seed), cameras).eval()


def save_encoder(
    encoder: Encoder, folder: Path, *, train: TrainConfig, frames: int, probe: ProbeCurve | None = None
) -> StoredEncoder:
    """Make `folder` hold encoder.pt (weights only) and config.json, whole or not at all, and no checkpoint.

    Args:
        train: how it was trained.
        frames: on how many.
        probe: see StoredEncoder.

    Raises:
        EncoderError: the disk is full or refuses; an encoder that was there is unchanged.
    """
    if train.epochs == 0:
        training = "not trained"
    elif probe is not None and probe.chosen_epoch == 0:
        reason = "the policy errs more after BYOL" if probe.held_out else "BYOL did not improve the action error"
        training = f"kept, as {reason}"
    else:
        training = f"fine-tuned by BYOL on {frames} frames"
    stored = StoredEncoder(
        name=folder.name,
        origin=f"{encoder.weights_origin}, {training}",
        train=train,
        frames=frames,
        fingerprint=encoder.fingerprint,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        probe=probe,
    )
    with disk_errors("saving the encoder", EncoderError):
        replace_stored_encoder(folder, stored, lambda path: save_tensors(encoder.state_dict(), path))
    return stored


def save_tensors(content: Any, path: Path) -> None:
    """As torch.save, but a full disk raises OSError, as everywhere else, and not RuntimeError."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    path.write_bytes(buffer.getbuffer())


def load_encoder(folder: Path) -> Encoder:
    """The encoder in `folder`.

    Raises:
        EncoderError: none there, damaged, or its weights do not belong to its config.json.
    """
    stored = read_stored_encoder(folder)
    encoder = Encoder(stored.train.encoder, make_untrained_backbone(stored.train.backbone), stored.train.cameras)
    try:
        encoder.load_state_dict(torch.load(folder / WEIGHTS_FILE, map_location="cpu", weights_only=True))
    except DAMAGE as error:
        raise EncoderError(f"the weights of encoder '{folder.name}' are damaged; train it again.") from error
    if encoder.fingerprint != stored.fingerprint:
        raise EncoderError(
            f"the weights of encoder '{folder.name}' are not those its config.json describes; train it again."
        )
    encoder.weights_origin = stored.origin
    return encoder.eval()
