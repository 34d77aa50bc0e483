"""What all episodes of a workspace share."""

from __future__ import annotations

from dataclasses import dataclass

from vinn_core.config.fields import JsonConfig, option, require

LOOKS = ("none", "varied", "distractors")
TASKS = ("lift", "push", "stack", "door")
"""All tasks there are; each is a module of `vinn_core.world.tasks`."""


@dataclass(frozen=True)
class WorkspaceConfig(JsonConfig):
    """What all episodes of a workspace share."""

    task: str = option("lift", "what the arm is taught", choices=TASKS)
    look: str = option("none", "visual variation", choices=LOOKS)
    cameras: tuple[str, ...] = option(("wrist", "front"), "recorded in each observation")
    image_size: int = option(96, "height and width of the camera images", least=32, most=512, unit="pixels")
    control_hz: float = option(10.0, "control rate [1/s]")
    format_version: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.cameras) > 0, "no cameras are named; name at least one, such as 'wrist'.")
        require(self.control_hz == 10.0, f"control_hz = {self.control_hz}; only 10 is supported.")
        require(
            self.format_version == 1, f"format_version {self.format_version} is newer than this program; update it."
        )
