"""How a scene looks: fixed, or with light, colours, cameras or bystanding objects drawn from the episode's seed."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.world.random_streams import Stream, random_of
from vinn_core.world.task import Disc

_ARRAYS = (
    "mat_rgba",
    "light_pos",
    "light_dir",
    "light_diffuse",
    "cam_pos",
    "cam_quat",
    "body_pos",
    "body_quat",
    "geom_rgba",
)
_FIRST_OBJECTS = ("cube", "block", "handle")
_OTHER_OBJECTS = ("base_cube", "target", "door", "cabinet")
"""Materials of what the tasks are about, in the order their colours are drawn."""
_DISTRACTOR = "distractor_"
_DISTRACTOR_RADIUS = 0.05
_FOOT = 0.0, 0.0, 0.11
"""Where the arm stands: x, y and radius [m]."""
_PLACES = (0.14, -0.28), (0.50, 0.28)
_PLACE_TRIES = 200


class Appearance:
    """Applies a look to one model, always starting from the appearance the model was compiled with.

    The changes are values only (no textures, no sizes), so renderers made for the model stay valid.

    Args:
        model: a compiled scene.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._compiled = {name: getattr(model, name).copy() for name in _ARRAYS}
        self._headlight = model.vis.headlight.diffuse.copy()

    def apply(self, look: str, seed: int, kept_clear: Sequence[Disc]) -> None:
        """Give the model the appearance of episode seed `seed` under `look`: "none", "varied" or "distractors".

        Args:
            kept_clear: where the reset of this seed has its business, see `ResetPose.kept_clear`.
        """
        for name, values in self._compiled.items():
            getattr(self._model, name)[:] = values
        self._model.vis.headlight.diffuse[:] = self._headlight
        if look == "varied":
            self._vary(random_of(seed, Stream.LOOK))
        elif look == "distractors":
            self._bring_distractors(random_of(seed, Stream.LOOK), kept_clear)

    def _vary(self, random: np.random.Generator) -> None:
        model = self._model
        colours = {"table": _colour(random, saturation=(0.0, 0.6), value=(0.35, 1.0))}
        self._colour_objects(random, _FIRST_OBJECTS, colours, contrast=0.6)
        wall = _colour(random, saturation=(0.0, 0.6), value=(0.3, 1.0))

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

        self._colour_objects(random, _OTHER_OBJECTS, colours, contrast=0.45)
        for name, colour in {**colours, "wall": wall}.items():
            model.mat_rgba[model.material(name).id, :3] = colour

    def _colour_objects(
        self,
        random: np.random.Generator,
        names: tuple[str, ...],
        colours: dict[str, NDArray[np.float64]],
        *,
        contrast: float,
    ) -> None:
        """Add a colour for those of the materials `names` that the scene has, different from all that are there."""
        for name in names:
            if mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_MATERIAL, name) < 0:
                continue
            colour = _colour(random, saturation=(0.35, 1.0), value=(0.25, 1.0))
            while min(np.abs(colour - other).sum() for other in colours.values()) < contrast:
                colour = _colour(random, saturation=(0.35, 1.0), value=(0.25, 1.0))  # nobody could see the object
            colours[name] = colour

    def _bring_distractors(self, random: np.random.Generator, kept_clear: Sequence[Disc]) -> None:
        """Put every distractor, in a colour of its own, where the task has no business."""
        taken = [_FOOT, *kept_clear]
        for body in range(self._model.nbody):
            if not self._model.body(body).name.startswith(_DISTRACTOR):
                continue
            geom = self._model.body_geomadr[body]
            self._model.geom_rgba[geom, :3] = _colour(random, saturation=(0.3, 1.0), value=(0.25, 1.0))
            heading = random.uniform(-np.pi, np.pi)
            for _ in range(_PLACE_TRIES):
                x, y = random.uniform(*_PLACES)
                if all(np.hypot(x - cx, y - cy) > radius + _DISTRACTOR_RADIUS for cx, cy, radius in taken):
                    self._model.body_pos[body] = x, y, 0.0
                    self._model.body_quat[body] = np.cos(heading / 2), 0.0, 0.0, np.sin(heading / 2)
                    taken.append((x, y, _DISTRACTOR_RADIUS))
                    break


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
    for body in copy.bodies:
        if body.name.startswith(_DISTRACTOR):
            named = model.body(body.name)
            body.pos, body.quat = named.pos, named.quat
            for geom in body.geoms:
                geom.rgba = model.geom(geom.name).rgba
    copy.visual.headlight.diffuse = model.vis.headlight.diffuse
    return copy.to_xml()
