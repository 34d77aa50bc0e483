"""Films of rollouts: the scene beside the live camera frame and the recorded frames that the action came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Observation
from vinn_core.episodes.file import load_frames
from vinn_core.progress import Report, StageProgress
from vinn_core.rollouts.rollout import Rollout
from vinn_core.session.loop import Session
from vinn_core.session.messages import Mode, Snapshot, StartReplay
from vinn_core.workspace import Workspace
from vinn_core.world.rendering import CameraRenderer

_SCENE_HEIGHT, _SCENE_WIDTH = 480, 640
_TILE = 144
_MARGIN = 8
_WIDTH = _SCENE_WIDTH + 3 * _TILE + 4 * _MARGIN
_BACKGROUND, _TEXT, _BAR = (24, 27, 31), (230, 233, 237), (33, 140, 204)
_LINGER_TICKS = 8
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def film_together(
    workspace: Workspace, rollouts: Sequence[Rollout], film: Path, *, camera: str, report: Report
) -> None:
    """Film rollouts of one look, one after the other, into the MP4 file `film`, as they were and in real time.

    Args:
        camera: whose frames are shown, live and of the neighbours.

    Raises:
        OSError: the file cannot be written. DatasetError: an episode that was followed cannot be read.
    """
    with _studio(workspace, rollouts, camera) as studio, _writer(film, workspace.config.control_hz) as writer:
        for number, rollout in enumerate(rollouts):
            report(StageProgress("Filming rollouts", number, len(rollouts), "rollout"))
            studio.film(rollout, writer)
    report(StageProgress("Filming rollouts", len(rollouts), len(rollouts), "rollout", 0.0))


def film_apart(
    workspace: Workspace, rollouts: Sequence[Rollout], folder: Path, *, camera: str, report: Report
) -> list[Path]:
    """As `film_together`, each into `folder`/seed-SEED.mp4; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    with _studio(workspace, rollouts, camera) as studio:
        for rollout in rollouts:
            report(StageProgress("Filming failures", len(paths), len(rollouts), "rollout"))
            paths.append(folder / f"seed-{rollout.seed}.mp4")
            with _writer(paths[-1], workspace.config.control_hz) as writer:
                studio.film(rollout, writer)
    report(StageProgress("Filming failures", len(paths), len(rollouts), "rollout", 0.0))
    return paths


class _Writer(Protocol):
    """What imageio's writers do."""

    def append_data(self, im: NDArray[np.uint8]) -> object: ...


@contextmanager
def _writer(film: Path, control_hz: float) -> Iterator[_Writer]:
    import imageio.v2 as imageio

    with imageio.get_writer(film, fps=control_hz, macro_block_size=8, quality=8) as writer:
        yield writer  # pyright: ignore[reportReturnType]  # imageio does not say what its writers are


@contextmanager
def _studio(workspace: Workspace, rollouts: Sequence[Rollout], camera: str) -> Iterator[_Studio]:
    look = rollouts[0].info.look if rollouts else workspace.config.look
    with (
        Session.of(workspace.config, look=look, cameras=(camera,)) as session,
        CameraRenderer(session.simulation.model, _SCENE_HEIGHT, _SCENE_WIDTH) as renderer,
    ):
        yield _Studio(session, renderer, _NeighbourFrames(workspace, camera))


class _Studio:
    """Where rollouts of one workspace and look are played again and filmed."""

    def __init__(self, session: Session, renderer: CameraRenderer, frames: _NeighbourFrames) -> None:
        self._session, self._renderer, self._frames = session, renderer, frames

    def film(self, rollout: Rollout, writer: _Writer) -> None:
        """Play `rollout` again from its states; each tick is a picture."""
        session = self._session
        session.handle(StartReplay(rollout, None, neighbours=rollout.neighbours))
        while session.mode is Mode.REPLAY:
            snapshot = session.tick()
            scene = self._renderer.render(session.simulation.data, "front")
            picture = _picture(scene, snapshot, self._frames, control_hz=session.control_hz)
            for _ in range(1 if session.mode is Mode.REPLAY else 1 + _LINGER_TICKS):
                writer.append_data(picture)


class _NeighbourFrames:
    """Recorded frames of one camera, each episode read once."""

    def __init__(self, workspace: Workspace, camera: str) -> None:
        self._paths = {summary.number: summary.path for summary in Dataset(workspace).summaries()}
        self.camera = camera
        self._episodes: dict[int, NDArray[np.uint8]] = {}

    def get(self, episode: int, step: int) -> NDArray[np.uint8]:
        """(H, W, 3). Raises DatasetError when the episode cannot be read."""
        if episode not in self._episodes:
            self._episodes[episode] = load_frames(self._paths[episode], self.camera)
        return self._episodes[episode][step]


@cache
def _fonts() -> tuple[_Font, _Font]:
    """Of labels and of the title; read once, as reading takes longer than drawing a picture."""
    return ImageFont.load_default(13), ImageFont.load_default(17)


def _picture(
    scene: NDArray[np.uint8], snapshot: Snapshot, frames: _NeighbourFrames, *, control_hz: float
) -> NDArray[np.uint8]:
    """(480, width, 3) uint8: `scene` (480, 640, 3) on the left, live frame and neighbours with weights on the right."""
    canvas = Image.new("RGB", (_WIDTH, _SCENE_HEIGHT), _BACKGROUND)
    canvas.paste(Image.fromarray(scene), (0, 0))
    draw = ImageDraw.Draw(canvas)
    font, title = _fonts()
    followed = snapshot.decision is not None and snapshot.decision.neighbours
    state = "success" if snapshot.succeeded else "VINN in control" if followed else ""
    draw.text((12, 10), f"seed {snapshot.seed}   {snapshot.elapsed_s:4.1f} s   {state}", _TEXT, title)
    decided_on: Observation = snapshot.decided_on
    tiles: list[tuple[NDArray[np.uint8], str, float | None]] = [(decided_on.images[frames.camera], "live", None)]
    if snapshot.decision is not None:
        for neighbour in snapshot.decision.neighbours[:5]:
            label = f"ep {neighbour.episode}  {neighbour.step / control_hz:.1f} s  d {neighbour.distance:.2f}"
            tiles.append((frames.get(neighbour.episode, neighbour.step), label, neighbour.weight))
    for place, (image, label, weight) in enumerate(tiles):
        left = _SCENE_WIDTH + _MARGIN + (place % 3) * (_TILE + _MARGIN)
        top = _MARGIN + (place // 3) * (_TILE + 56)
        canvas.paste(Image.fromarray(image).resize((_TILE, _TILE), Image.Resampling.BILINEAR), (left, top))
        draw.text((left, top + _TILE + 4), label, _TEXT, font)
        if weight is not None:
            draw.rectangle((left, top + _TILE + 24, left + _TILE - 1, top + _TILE + 32), fill=(48, 54, 61))
            draw.rectangle((left, top + _TILE + 24, left + round(weight * (_TILE - 1)), top + _TILE + 32), fill=_BAR)
    return np.asarray(canvas)
