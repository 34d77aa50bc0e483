"""What a job is asked to do, one class for each command. A job gets it as one JSON document, or from flags.

`vinn COMMAND --config FILE` reads it (`-`: from standard input); what the file leaves out has its default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from vinn_core.config.fields import JsonConfig, option, require, require_name
from vinn_core.config.retrieval import POLICY_SETTINGS, IndexConfig
from vinn_core.config.training import DEFAULT_PRESET, PRESETS, TrainConfig
from vinn_core.config.workspace import LOOKS, TASKS

POLICIES = ("vinn", "expert", "random")
DEFAULT_NAME = "default"
"""Of the encoder and index that one click makes and uses."""
FIRST_HELD_OUT_SEED = 10_000
"""Demonstrations begin with seed 0: nobody records so many."""


@dataclass(frozen=True)
class CollectJob(JsonConfig):
    """Scripted demonstrations from consecutive seeds."""

    task: str | None = option(None, "task of a new workspace", choices=TASKS)
    look: str | None = option(None, "visual variation; default: the workspace's", choices=LOOKS)
    episodes: int = option(100, "how many demonstrations", least=1)
    seed: int = option(0, "seed of the first demonstration", least=0)
    noise: float = option(1.0, "noise in the executed actions, 0 for none", least=0)


@dataclass(frozen=True)
class ReplayJob(JsonConfig):
    """An episode played again, open loop."""

    episode: int = option(0, "episode number", least=1, needed=True)
    states: bool = option(False, "by recorded states instead of actions")


@dataclass(frozen=True)
class TrainJob(JsonConfig):
    """An encoder trained on the recorded frames."""

    name: str = option(DEFAULT_NAME, "name of the encoder", is_name=True)
    resume: bool = option(False, "go on from the checkpoint of a stopped run")
    index: bool = option(False, "then build the index of the same name")
    train: TrainConfig = field(default_factory=lambda: PRESETS[DEFAULT_PRESET])

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """As of any settings; what `train` leaves out is as its preset has it."""
        changes = values.get("train", {})
        chosen = changes.get("preset", DEFAULT_PRESET) if isinstance(changes, dict) else None
        if isinstance(chosen, str) and chosen in PRESETS:
            changes = {**PRESETS[chosen].to_dict(), **changes}
        return super().from_dict({**values, "train": changes})


@dataclass(frozen=True)
class IndexJob(JsonConfig):
    """An index built from all usable episodes."""

    encoder: str = option(DEFAULT_NAME, "name of the encoder", is_name=True)
    name: str | None = option(None, "name of the index; default: the encoder's", is_name=True)
    index: IndexConfig = field(default_factory=IndexConfig)

    @property
    def index_name(self) -> str:
        """What the index is called."""
        return self.name or self.encoder


@dataclass(frozen=True)
class EvaluateJob(JsonConfig):
    """One policy, or several, rolled out over the same seeds.

    Attributes:
        compare: each INDEX, INDEX:SETTING, "expert" or "random"; instead of `policy`, `index` and `setting`.
        save: the evaluation's name; with `compare` the beginning of it.
        video: a path.
        film_failures: a path.
    """

    policy: str = option("vinn", "what is rolled out", choices=POLICIES)
    index: str = option(DEFAULT_NAME, "name of the index", is_name=True)
    setting: str = option("default", "of the policy vinn", choices=POLICY_SETTINGS)
    compare: tuple[str, ...] = option(
        (),
        "evaluate these over the same seeds instead, and test each pair: INDEX or INDEX:SETTING, expert or random",
        metavar="SPEC",
    )
    look: str | None = option(None, "visual variation; default: the workspace's", choices=LOOKS)
    episodes: int = option(50, "how many rollouts", least=1)
    seed: int = option(FIRST_HELD_OUT_SEED, "seed of the first rollout", least=0)
    k: int | None = option(None, "neighbours; default: the index's")
    temperature: float | None = option(None, "of the softmin; default: the index's")
    processes: int | None = option(None, "worker processes; default: one per core", least=1)
    save: str | None = option(
        None, "store results and rollouts as evaluations/NAME (NAME-SPEC for each of --compare)", is_name=True
    )
    video: str | None = option(None, "also film the first rollouts into this MP4 file", metavar="FILE")
    film_failures: str | None = option(None, "also film each failed rollout into this folder", metavar="FOLDER")

    def __post_init__(self) -> None:
        super().__post_init__()
        for text in self.compare:
            index_and_setting(text)


def index_and_setting(text: str) -> tuple[str, str]:
    """Of INDEX or INDEX:SETTING. Raises ConfigError."""
    name, _, setting = text.partition(":")
    known = setting in ("", *POLICY_SETTINGS)
    require(known, f"{setting!r} is no setting; choose one of: {', '.join(POLICY_SETTINGS)}.")
    return require_name(name), setting or "default"
