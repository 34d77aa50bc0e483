"""Camera observations, rendered offscreen. The only module of the core that touches OpenGL."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any
from weakref import WeakSet

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.errors import RenderingError, SceneError

_ROUNDNESS = 12, 8
"""Facets around and along round shapes. MuJoCo's 28 and 16 take twice the time in software and look the same at 96
pixels: they differ by half a grey level on average."""
_MOST_GEOMS = 10_000
_BACKENDS = ("egl", "osmesa", "glfw", "cgl")
"""What MUJOCO_GL may name; each a module of MuJoCo that makes OpenGL contexts."""
_WHATEVER_WORKS = ("", "on", "true", "1", "enable", "enabled", "glx", "wgl")
"""What MUJOCO_GL may be beside those."""

_open_renderers: WeakSet[CameraRenderer] = WeakSet()
_left_behind: list[mujoco.MjrContext | None] = []
"""What could not be freed, kept so that nothing frees it in the wrong place."""


class CameraRenderer:
    """Renders named cameras of one model. Made, used and closed by one thread; what is left open ends with the program.

    Unlike `mujoco.Renderer`, it heeds MUJOCO_GL as it is now, even if MuJoCo was imported before it was set.

    Args:
        model: compiled scene.
        height: of the images [pixel].
        width: of the images [pixel].

    Raises:
        RenderingError: no OpenGL context can be had.
    """

    def __init__(self, model: mujoco.MjModel, height: int, width: int) -> None:
        self._gl: Any = None
        self._context: mujoco.MjrContext | None = None
        self._model = model
        self._size = height, width
        backend = opengl_backend()
        quality, whole = model.vis.quality, model.vis.global_
        before = quality.numslices, quality.numstacks, whole.offwidth, whole.offheight
        quality.numslices, quality.numstacks = _ROUNDNESS
        whole.offwidth, whole.offheight = width, height
        try:
            self._gl = _make_gl_context(backend, (width, height))
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        except Exception as error:  # what is raised differs by platform library
            self.close()
            raise RenderingError(
                f"Camera images cannot be rendered: no OpenGL context (MUJOCO_GL={backend}: {error}). "
                "Install a graphics driver or Mesa (on Debian: libegl1 libgl1-mesa-dri), "
                "or set MUJOCO_GL to egl, osmesa or glfw. 'vinn doctor' shows what works here."
            ) from error
        finally:
            quality.numslices, quality.numstacks, whole.offwidth, whole.offheight = before
        self._scene = mujoco.MjvScene(model, _MOST_GEOMS)
        # Shadows take most of the time in software rendering and are the first thing that varies with the light.
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._options = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        # Anew each time: to come before what MuJoCo's module does at exit, which ends OpenGL itself.
        atexit.unregister(_close_all)
        atexit.register(_close_all)
        _open_renderers.add(self)

    def render(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """(height, width, 3) uint8 RGB seen by `camera`.

        Raises:
            SceneError: no such camera; names those there are.
            RenderingError: the renderer has been closed.
        """
        if self._gl is None:
            raise RenderingError("Camera images cannot be rendered any more: the renderer has been closed.")
        self._camera.fixedcamid = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
        if self._camera.fixedcamid < 0:
            present = ", ".join(self._model.camera(number).name for number in range(self._model.ncam))
            raise SceneError(f"no camera {camera!r}; this scene has: {present}.")
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._camera, everything, self._scene)
        height, width = self._size
        place = mujoco.MjrRect(0, 0, width, height)
        upside_down = np.empty((height, width, 3), dtype=np.uint8)
        self._gl.make_current()
        mujoco.mjr_render(place, self._scene, self._context)
        mujoco.mjr_readPixels(upside_down, None, place, self._context)
        return np.ascontiguousarray(upside_down[::-1])

    def render_all(self, data: mujoco.MjData, cameras: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
        """Camera name -> image, for each of `cameras`."""
        return {camera: self.render(data, camera) for camera in cameras}

    def close(self) -> None:
        """Give the OpenGL context back.

        In another thread than the one it belongs to it may still be current there, and MuJoCo would delete its objects
        in whatever context is current here: its objects are then left to the end of the program.
        """
        context, self._context = self._context, None
        gl, self._gl = self._gl, None
        _open_renderers.discard(self)
        if gl is None:
            return
        try:
            gl.make_current()
        except Exception:  # what is raised differs by platform library
            gl._context = None  # so that it does not try in vain when the program ends
            _left_behind.append(context)
            return
        if context is not None:
            context.free()
        gl.free()

    def __enter__(self) -> CameraRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with suppress(Exception):  # perhaps in another thread, or while the program ends
            self.close()


def _close_all() -> None:
    """Contexts that outlive the program's modules would complain."""
    for renderer in list(_open_renderers):
        with suppress(Exception):
            renderer.close()


def opengl_backend() -> str:
    """The module of MuJoCo that makes contexts here: what MUJOCO_GL names, or what is usual on this system.

    Raises:
        RenderingError: MUJOCO_GL names something else.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip()
    if wanted in _BACKENDS:
        return wanted
    if wanted not in _WHATEVER_WORKS:
        raise RenderingError(
            f"Camera images cannot be rendered with MUJOCO_GL={wanted}; set it to one of: {', '.join(_BACKENDS)}."
        )
    return "cgl" if sys.platform == "darwin" else "glfw"


def _make_gl_context(backend: str, size: tuple[int, int]) -> Any:
    """For images of `size`: width, height [pixel]."""
    kind = import_module(f"mujoco.{backend}").GLContext
    context = kind.__new__(kind)
    context._context = None  # its __del__ asks for that, also where it could not be made
    context.__init__(*size)
    return context
