"""How a scene looks: fixed, or light, colours and cameras drawn from the episode's seed."""

from __future__ import annotations

import colorsys

import mujoco
import numpy as np
from numpy.typing import NDArray

_LOOK_STREAM = 1
"""Second word of the random seed, so that the look never disturbs the reset of the same episode seed."""

_ARRAYS = ("mat_rgba", "light_pos", "light_dir", "light_diffuse", "cam_pos", "cam_quat")


class Appearance:
    """Applies a look to one model, always starting from the appearance the model was compiled with.

    The changes are values only (no textures, no sizes), so renderers made for the model stay valid.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._compiled = {name: getattr(model, name).copy() for name in _ARRAYS}
        self._headlight = model.vis.headlight.diffuse.copy()

    def apply(self, look: str, seed: int) -> None:
        """Give the model the appearance of episode seed `seed` under `look` ("none" or "varied")."""
        for name, values in self._compiled.items():
            getattr(self._model, name)[:] = values
        self._model.vis.headlight.diffuse[:] = self._headlight
        if look == "varied":
            self._vary(np.random.default_rng([seed, _LOOK_STREAM]))

    def _vary(self, random: np.random.Generator) -> None:
        model = self._model
        table = _colour(random, saturation=(0.0, 0.6), value=(0.35, 1.0))
        cube = _colour(random, saturation=(0.35, 1.0), value=(0.25, 1.0))
        while np.abs(cube - table).sum() < 0.6:  # a cube nobody can see teaches nothing
            cube = _colour(random, saturation=(0.35, 1.0), value=(0.25, 1.0))
        wall = _colour(random, saturation=(0.0, 0.6), value=(0.3, 1.0))
        for name, colour in (("table", table), ("cube", cube), ("wall", wall)):
            material = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_MATERIAL, name)
            if material >= 0:
                model.mat_rgba[material, :3] = colour

        model.light_pos[0] += random.uniform((-0.9, -0.4, -0.5), (0.3, 1.4, 0.5))
        aim = np.array([0.26, 0.0, 0.0]) + random.uniform(-0.1, 0.1, 3)
        direction = aim - model.light_pos[0]
        model.light_dir[0] = direction / np.linalg.norm(direction)
        model.light_diffuse[0] = random.uniform(0.35, 0.9) * random.uniform(0.85, 1.0, 3)
        model.light_diffuse[1:] *= random.uniform(0.4, 1.6)
        model.vis.headlight.diffuse[:] = self._headlight * random.uniform(0.4, 1.6)

        for camera in range(model.ncam):
            attached = model.cam_bodyid[camera] != 0
            model.cam_pos[camera] += random.normal(0.0, 0.002 if attached else 0.01, 3)
            _rotate(model.cam_quat[camera], random.normal(0.0, 0.012, 3))


def _colour(
    random: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> NDArray[np.float64]:
    """(3,) RGB in [0, 1], hue drawn evenly."""
    return np.array(colorsys.hsv_to_rgb(random.uniform(), random.uniform(*saturation), random.uniform(*value)))


def _rotate(quaternion: NDArray[np.float64], rotation_vector: NDArray[np.float64]) -> None:
    """Turn `quaternion` (4,), wxyz, in place by `rotation_vector` (3,) [rad], in its own frame."""
    mujoco.mju_quatIntegrate(quaternion, rotation_vector, 1.0)


def scene_xml(spec: mujoco.MjSpec, model: mujoco.MjModel) -> str:
    """The MJCF as one text, with the appearance that `model` (compiled from `spec`) has now."""
    copy = spec.copy()
    for material in copy.materials:
        material.rgba = model.material(material.name).rgba
    for light in copy.lights:
        named = model.light(light.name)
        light.pos, light.dir, light.diffuse = named.pos, named.dir, named.diffuse
    for camera in copy.cameras:
        named = model.camera(camera.name)
        camera.pos, camera.quat = named.pos, named.quat
        camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
    copy.visual.headlight.diffuse = model.vis.headlight.diffuse
    return copy.to_xml()
