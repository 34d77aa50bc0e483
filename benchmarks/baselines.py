"""What VINN is compared with in paper_table.py: the nearest start replayed, and behaviour cloning by a network."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch
from vinn_core.encoder.network import load_encoder
from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Action, Episode, Observation
from vinn_core.episodes.file import load_episode
from vinn_core.retrieval.embedding import FrameEncoder, proprioception
from vinn_core.retrieval.vinn import load_policy
from vinn_core.session.policy import Decision
from vinn_core.workspace import Workspace

import torch  # isort: skip  # after torch_setup
from torch import Tensor, nn  # isort: skip
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, mse_loss  # isort: skip

CAMERA = "wrist"
_IMAGE_SIZE = 64
_BATCH = 128
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 1e-4
_MOST_EPOCHS = 150
_PATIENCE = 12
"""Epochs without a better loss on held-out demonstrations after which a network counts as converged."""
_HELD_OUT = 10
"""Every so many demonstrations one is held out."""


class ReplayPolicy:
    """Repeats what the arm was made to do in an episode, open loop, then stands still with the last gripper command."""

    cameras: tuple[str, ...] = ()

    def __init__(self, episode: Episode) -> None:
        self._actions = episode.executed_actions
        self._step = 0

    @property
    def finished(self) -> bool:
        """Whether every recorded action has been played."""
        return self._step >= len(self._actions)

    def reset(self) -> None:
        self._step = 0

    def act(self, observation: Observation) -> Decision:
        if self.finished:
            gripper = float(self._actions[-1, 6]) if len(self._actions) else observation.gripper_opening
            return Decision(Action.hold(gripper))
        action = Action.from_array(self._actions[self._step])
        self._step += 1
        return Decision(action)


class NearestStart:
    """Replays, open loop, the demonstration whose first frame is nearest to the first one seen: memory, no sight."""

    cameras: tuple[str, ...] = (CAMERA,)

    def __init__(self, workspace: Workspace, index: str) -> None:
        policy = load_policy(workspace, index)
        self._embedder, self._index = policy.embedder, policy.index
        first = np.r_[True, np.diff(self._index.episodes) != 0]
        self._starts = np.flatnonzero(first)
        self._paths = {summary.number: summary.path for summary in Dataset(workspace).summaries()}
        self._replay: ReplayPolicy | None = None

    def reset(self) -> None:
        self._replay = None

    def act(self, observation: Observation) -> Decision:
        if self._replay is None:
            offsets = self._index.embeddings[self._starts] - self._embedder.embed(observation)
            row = self._starts[np.linalg.norm(offsets, axis=1).argmin()]
            self._replay = ReplayPolicy(load_episode(self._paths[int(self._index.episodes[row])]))
        return self._replay.act(observation)


def _small_cnn(size: int = _IMAGE_SIZE) -> nn.Module:
    """Four strided convolutions that keep where things are, as in end-to-end visuomotor policies."""
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 48), (48, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * (size // 16) ** 2, 256), nn.ReLU())


class _Cloner(nn.Module):
    """Sees images or frozen features, and the arm's proprioception; gives a standardised twist and a gripper logit."""

    def __init__(self, features: int | None) -> None:
        super().__init__()
        self.sight = _small_cnn() if features is None else nn.Sequential(nn.Linear(features, 256), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(256 + 5, 256), nn.ReLU(), nn.Linear(256, 7))

    def forward(self, seen: Tensor, body: Tensor) -> Tensor:
        return self.head(torch.cat([self.sight(seen), body], dim=1))


@dataclass(frozen=True, eq=False)
class _Scaling:
    """Means and deviations of features (None for images), proprioception and twists over the training frames."""

    seen: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    body: tuple[NDArray[np.float32], NDArray[np.float32]]
    twist: tuple[NDArray[np.float32], NDArray[np.float32]]


class BehaviourCloning:
    """A trained network as a policy."""

    cameras: tuple[str, ...] = (CAMERA,)

    def __init__(self, network: _Cloner, scaling: _Scaling, encoder: FrameEncoder | None) -> None:
        self._network, self._scaling, self._encoder = network.eval(), scaling, encoder

    def reset(self) -> None:
        """Nothing is remembered."""

    def act(self, observation: Observation) -> Decision:
        frames = observation.images[CAMERA][None]
        seen = _shrink(frames) if self._encoder is None else torch.from_numpy(self._encoder.embed(frames))
        body = proprioception(
            observation.ee_position[None], observation.ee_quaternion[None], np.array([observation.gripper_opening])
        )
        scaling = self._scaling
        with torch.inference_mode():
            if scaling.seen is not None:
                seen = (seen - torch.from_numpy(scaling.seen[0])) / torch.from_numpy(scaling.seen[1])
            output = self._network(seen, torch.from_numpy(_standard(body.astype(np.float32), scaling.body)))[0].numpy()
        twist = output[:6] * scaling.twist[1] + scaling.twist[0]
        return Decision(Action(twist.astype(np.float32), float(output[6] > 0)))


def clone_behaviour(workspace: Workspace, encoder_name: str | None, seed: int, *, file: Path) -> None:
    """Train to convergence and write `file`; on the features of an encoder, or end to end on images when None."""
    torch.manual_seed(seed)
    encoder = load_encoder(workspace.encoders_folder / encoder_name) if encoder_name else None
    seen, body, actions, held = _training_frames(workspace, encoder)
    scaling = _Scaling(
        None if encoder is None else _mean_and_deviation(seen.numpy()),
        _mean_and_deviation(body),
        _mean_and_deviation(actions[:, :6]),
    )
    if scaling.seen is not None:
        seen = torch.from_numpy(_standard(seen.numpy(), scaling.seen))
    bodies = torch.from_numpy(_standard(body, scaling.body))
    targets = torch.from_numpy(np.hstack([_standard(actions[:, :6], scaling.twist), actions[:, 6:]]))
    network = _Cloner(None if encoder is None else seen.shape[1])
    best = _fit(network, seen, bodies, targets=targets, held=held)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pickle.dumps((best, scaling, encoder_name, None if encoder is None else seen.shape[1])))


def load_clone(workspace: Workspace, file: Path) -> BehaviourCloning:
    """What `clone_behaviour` wrote."""
    weights, scaling, encoder_name, features = pickle.loads(file.read_bytes())  # our own file
    network = _Cloner(features)
    network.load_state_dict(weights)
    encoder = load_encoder(workspace.encoders_folder / encoder_name) if encoder_name else None
    return BehaviourCloning(network, scaling, encoder)


def _training_frames(
    workspace: Workspace, encoder: FrameEncoder | None
) -> tuple[Tensor, NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Images or features, proprioception, actions, and which frames belong to held-out demonstrations."""
    seen, bodies, actions, held = [], [], [], []
    for place, summary in enumerate(Dataset(workspace).summaries()):
        episode = load_episode(summary.path)
        frames = episode.images[CAMERA]
        seen.append(_shrink(frames) if encoder is None else torch.from_numpy(encoder.embed(frames)))
        bodies.append(proprioception(episode.ee_positions, episode.ee_quaternions, episode.gripper_openings))
        actions.append(episode.actions)
        held.append(np.full(len(episode), place % _HELD_OUT == _HELD_OUT - 1))
    return (
        torch.cat(seen),
        np.concatenate(bodies).astype(np.float32),
        np.concatenate(actions).astype(np.float32),
        np.concatenate(held),
    )


def _fit(network: _Cloner, seen: Tensor, bodies: Tensor, *, targets: Tensor, held: NDArray[np.bool_]) -> dict[str, Any]:
    """The weights with the smallest loss on the held-out demonstrations."""
    optimiser = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    rows, test = torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))
    best, best_loss, waited = network.state_dict(), float("inf"), 0
    for _ in range(_MOST_EPOCHS):
        network.train()
        for batch in rows[torch.randperm(len(rows))].split(_BATCH):
            optimiser.zero_grad()
            _loss(network(seen[batch], bodies[batch]), targets[batch]).backward()
            optimiser.step()
        network.eval()
        with torch.inference_mode():
            loss = float(_loss(network(seen[test], bodies[test]), targets[test]))
        if loss < best_loss:
            best, best_loss, waited = {k: v.clone() for k, v in network.state_dict().items()}, loss, 0
        elif (waited := waited + 1) >= _PATIENCE:
            break
    return best


def _loss(output: Tensor, target: Tensor) -> Tensor:
    return mse_loss(output[:, :6], target[:, :6]) + binary_cross_entropy_with_logits(output[:, 6], target[:, 6])


def _shrink(frames: NDArray[np.uint8]) -> Tensor:
    images = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255.0
    return interpolate(images, (_IMAGE_SIZE, _IMAGE_SIZE), mode="bilinear", antialias=True, align_corners=False)


def _mean_and_deviation(values: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return values.mean(axis=0).astype(np.float32), np.maximum(values.std(axis=0), 1e-3).astype(np.float32)


def _standard(values: NDArray[Any], scaling: tuple[NDArray[np.float32], NDArray[np.float32]]) -> NDArray[np.float32]:
    return ((values - scaling[0]) / scaling[1]).astype(np.float32)
