"""Camera observations, rendered offscreen. The only module of the core that touches OpenGL."""

from __future__ import annotations

import os
from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.errors import RenderingError, SceneError

_ROUNDNESS = 12, 8
"""Facets around and along round shapes. MuJoCo's 28 and 16 take twice the time in software and look the same at 96
pixels: they differ by half a grey level on average."""


class CameraRenderer:
    """Renders named cameras of one model. Made, used and closed by one thread.

    Args:
        model: compiled scene. height, width: of the images [pixel].

    Raises:
        RenderingError: no OpenGL context can be had.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int) -> None:
        self._model = model
        quality = model.vis.quality
        before = quality.numslices, quality.numstacks
        quality.numslices, quality.numstacks = _ROUNDNESS
        try:
            self._renderer = mujoco.Renderer(model, height, width)
        except Exception as error:  # what is raised differs by platform library
            raise RenderingError(
                f"Camera images cannot be rendered: no OpenGL context (MUJOCO_GL={os.environ.get('MUJOCO_GL', '')}: "
                f"{error}). Install a graphics driver or Mesa (on Debian: libegl1 libgl1-mesa-dri), "
                "or set MUJOCO_GL to egl, osmesa or glfw. 'vinn doctor' shows what works here."
            ) from error
        finally:
            quality.numslices, quality.numstacks = before
        # Shadows take most of the time in software rendering and are the first thing that varies with the light.
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0

    def render(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 RGB seen by `camera`. Raises SceneError naming the cameras there are."""
        if mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera) < 0:
            present = ", ".join(self._model.camera(number).name for number in range(self._model.ncam))
            raise SceneError(f"no camera {camera!r}; this scene has: {present}.")
        self._renderer.update_scene(data, camera)
        return self._renderer.render()

    def render_all(self, data: mujoco.MjData, cameras: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
        """Camera name -> image, for each of `cameras`."""
        return {camera: self.render(data, camera) for camera in cameras}

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._renderer.close()

    def __enter__(self) -> CameraRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
