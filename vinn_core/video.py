"""Films of rollouts: the scene beside the live camera frame and the recorded frames that the action came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vinn_core.config import WorkspaceConfig
from vinn_core.dataset import Dataset, load_frames
from vinn_core.episode import Observation
from vinn_core.evaluation import EvaluationSpec
from vinn_core.index import load_policy
from vinn_core.messages import Mode, ResetScene, SetPolicy, Snapshot, StartAutonomous, StartReplay
from vinn_core.progress import Report, StageProgress
from vinn_core.rendering import CameraRenderer
from vinn_core.rollout import Rollout
from vinn_core.session import Session
from vinn_core.task import load_task
from vinn_core.workspace import Workspace

_SCENE_HEIGHT, _SCENE_WIDTH = 480, 640
_TILE = 144
_MARGIN = 8
_WIDTH = _SCENE_WIDTH + 3 * _TILE + 4 * _MARGIN
_BACKGROUND, _TEXT, _BAR = (24, 27, 31), (230, 233, 237), (33, 140, 204)
_LINGER_TICKS = 8


def record_video(
    workspace: Workspace, spec: EvaluationSpec, seeds: list[int], path: Path, report: Report
) -> list[bool]:
    """Film VINN's rollouts of `seeds` into one MP4 at `path`, in real time.

    Returns:
        Whether each rollout succeeded.

    Raises:
        EncoderError, EmbeddingIndexError: the policy cannot be loaded. OSError: the file cannot be written.
    """
    import imageio.v2 as imageio

    config: WorkspaceConfig = workspace.config
    policy = load_policy(workspace, spec.index, spec.retrieval)
    camera = policy.cameras[0]
    frames = _NeighbourFrames(workspace, camera)
    outcomes: list[bool] = []
    with (
        Session(load_task(config.task), spec.look, policy.cameras, config.image_size, config.control_hz) as session,
        CameraRenderer(session.simulation.model, _SCENE_HEIGHT, _SCENE_WIDTH) as renderer,
        imageio.get_writer(path, fps=config.control_hz, macro_block_size=8, quality=8) as film,
    ):
        session.handle(SetPolicy(policy))
        for number, seed in enumerate(seeds):
            report(StageProgress("Filming rollouts", number, len(seeds), "rollout"))
            session.handle(ResetScene(seed))
            session.handle(StartAutonomous())
            snapshot = None
            while session.mode is Mode.AUTONOMOUS:
                snapshot = session.tick()
                scene = renderer.render(session.simulation.data, "front")
                film.append_data(_picture(scene, snapshot, camera, frames))  # type: ignore[attr-defined]
            assert snapshot is not None
            for _ in range(_LINGER_TICKS):
                film.append_data(_picture(scene, snapshot, camera, frames))  # type: ignore[attr-defined]
            outcomes.append(snapshot.succeeded)
    report(StageProgress("Filming rollouts", len(seeds), len(seeds), "rollout", 0.0))
    return outcomes


def film_rollouts(
    workspace: Workspace, rollouts: Sequence[Rollout], camera: str, folder: Path, report: Report
) -> list[Path]:
    """Film each of these rollouts of one look, as it was, into `folder`/seed-SEED.mp4, in real time.

    Args:
        camera: whose frames are shown, live and of the neighbours.

    Returns:
        The files written.

    Raises:
        OSError: a file cannot be written.
    """
    import imageio.v2 as imageio

    if not rollouts:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    config: WorkspaceConfig = workspace.config
    frames = _NeighbourFrames(workspace, camera)
    paths: list[Path] = []
    look = rollouts[0].info.look
    with (
        Session(load_task(config.task), look, (camera,), config.image_size, config.control_hz) as session,
        CameraRenderer(session.simulation.model, _SCENE_HEIGHT, _SCENE_WIDTH) as renderer,
    ):
        for rollout in rollouts:
            report(StageProgress("Filming failures", len(paths), len(rollouts), "rollout"))
            paths.append(folder / f"seed-{rollout.seed}.mp4")
            session.handle(StartReplay(rollout, None, neighbours=rollout.neighbours))
            with imageio.get_writer(paths[-1], fps=config.control_hz, macro_block_size=8, quality=8) as film:
                while session.mode is Mode.REPLAY:
                    snapshot = session.tick()
                    scene = renderer.render(session.simulation.data, "front")
                    picture = _picture(scene, snapshot, camera, frames)
                    film.append_data(picture)  # type: ignore[attr-defined]
                for _ in range(_LINGER_TICKS):
                    film.append_data(picture)  # type: ignore[attr-defined]
    report(StageProgress("Filming failures", len(paths), len(rollouts), "rollout", 0.0))
    return paths


class _NeighbourFrames:
    """Recorded frames of one camera, each episode read once."""

    def __init__(self, workspace: Workspace, camera: str) -> None:
        self._paths = {summary.number: summary.path for summary in Dataset(workspace).summaries()}
        self._camera = camera
        self._episodes: dict[int, NDArray[np.uint8]] = {}

    def get(self, episode: int, step: int) -> NDArray[np.uint8]:
        if episode not in self._episodes:
            self._episodes[episode] = load_frames(self._paths[episode], self._camera)
        return self._episodes[episode][step]


def _picture(scene: NDArray[np.uint8], snapshot: Snapshot, camera: str, frames: _NeighbourFrames) -> NDArray[np.uint8]:
    """(480, width, 3) uint8: scene on the left, live frame and neighbours with weights on the right."""
    canvas = Image.new("RGB", (_WIDTH, _SCENE_HEIGHT), _BACKGROUND)
    canvas.paste(Image.fromarray(scene), (0, 0))
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(13)
    title = ImageFont.load_default(17)
    state = (
        "success"
        if snapshot.succeeded
        else "VINN in control"
        if snapshot.decision and snapshot.decision.neighbours
        else ""
    )
    draw.text((12, 10), f"seed {snapshot.seed}   {snapshot.elapsed_s:4.1f} s   {state}", _TEXT, title)
    decided_on: Observation = snapshot.decided_on
    tiles: list[tuple[NDArray[np.uint8], str, float | None]] = [(decided_on.images[camera], "live", None)]
    if snapshot.decision is not None:
        for neighbour in snapshot.decision.neighbours[:5]:
            label = f"ep {neighbour.episode}  {neighbour.step / 10:.1f} s  d {neighbour.distance:.2f}"
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
