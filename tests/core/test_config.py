"""Settings refuse what cannot work, say what would, and survive JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from vinn_core.config import (
    PRESETS,
    EncoderConfig,
    IndexConfig,
    JsonConfig,
    PolicyConfig,
    TrainConfig,
    WorkspaceConfig,
    preset,
)
from vinn_core.errors import ConfigError

CONFIGS: list[JsonConfig] = [
    WorkspaceConfig(look="varied", cameras=("front", "wrist", "side"), image_size=128),
    EncoderConfig(backbone="resnet18", start_weights="random", feature="global", grid_size=3, image_size=224),
    TrainConfig(cameras=("wrist", "front"), epochs=7, max_minutes=1.5, seed=9, device="cpu"),
    IndexConfig(camera_weights=(0.75, 0.25), neighbours=9, temperature=0.3),
    IndexConfig(),
    PolicyConfig(neighbours=1, temperature=0.01),
    *PRESETS.values(),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
def test_settings_survive_json(config: JsonConfig) -> None:
    assert type(config).from_dict(json.loads(config.to_json())) == config


def test_a_file_of_an_older_program_gets_the_defaults_of_new_settings() -> None:
    assert WorkspaceConfig.from_dict({"task": "lift"}) == WorkspaceConfig()


def test_an_unknown_setting_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown setting colour, zoom; known are: .*cameras.*image_size"):
        WorkspaceConfig.from_dict({"zoom": 1, "colour": 2})


def test_a_setting_of_the_wrong_type_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match="WorkspaceConfig cannot be read"):
        WorkspaceConfig.from_dict({"image_size": "large"})


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: WorkspaceConfig(task="juggle"), "task = 'juggle' is unknown; choose one of: lift"),
        (lambda: WorkspaceConfig(look="dark"), "look = 'dark' is unknown; choose one of: none, varied"),
        (lambda: WorkspaceConfig(cameras=()), "no cameras are named; name at least one"),
        (lambda: WorkspaceConfig(image_size=16), "image_size = 16; use 32 to 512"),
        (lambda: WorkspaceConfig(control_hz=20.0), "control_hz = 20.0; only 10"),
        (lambda: WorkspaceConfig(format_version=2), "format_version 2 is newer than this program; update it"),
        (lambda: TrainConfig(backbone="vgg"), "backbone = 'vgg' is unknown; choose one of: .*resnet18"),
        (lambda: TrainConfig(start_weights="best"), "start_weights = 'best' is unknown; choose one of: imagenet"),
        (lambda: TrainConfig(cameras=()), "no cameras to train on; name at least one"),
        (lambda: TrainConfig(epochs=-1), "epochs = -1; use 0 .* or more"),
        (lambda: TrainConfig(fewest_steps=-1), "fewest_steps = -1; use 0 or more"),
        (lambda: TrainConfig(batch_size=1), "batch_size = 1; use 2 or more"),
        (lambda: TrainConfig(learning_rate=0.0), "learning_rate = 0.0; use between 0 and 1"),
        (lambda: TrainConfig(max_minutes=float("nan")), "max_minutes = nan; use 0"),
        (lambda: TrainConfig(seed=-1), "seed = -1; use 0 or more"),
        (lambda: TrainConfig(frozen_stages=-1), "frozen_stages = -1; use 0 or more"),
        (lambda: TrainConfig(colour_strength=-0.5), "colour_strength = -0.5; use 0 or more"),
        (lambda: TrainConfig(hidden_size=0), "hidden_size = 0; use 1 or more"),
        (lambda: TrainConfig(crop=1.5), "crop = 1.5; use above 0 up to 1"),
        (lambda: TrainConfig(device="abacus"), "device = 'abacus' is unknown; choose one of: auto, cpu, cuda, mps"),
        (lambda: EncoderConfig(grid_size=9), "grid_size = 9; use 1 to 8"),
        (lambda: IndexConfig(neighbours=0), "k = 0; use k >= 1"),
        (lambda: IndexConfig(trees=0), "trees = 0; use 1 or more"),
        (lambda: PolicyConfig(neighbours=0), "k = 0; use k >= 1"),
        (lambda: PolicyConfig(temperature=0.0), "temperature = 0.0; use above 0"),
        (lambda: preset("huge"), "preset = 'huge' is unknown; choose one of: .*quick, standard, paper"),
        (lambda: preset("quick", epochs=-2), "epochs = -2"),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(make: Callable[[], object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        make()


def test_a_preset_can_be_changed_in_parts() -> None:
    assert preset("quick", epochs=1) == replace(PRESETS["quick"], epochs=1)
    assert preset("quick").preset == "quick"


def test_presets_for_control_leave_the_geometry_of_the_views_alone() -> None:
    assert all(PRESETS[name].crop == 1.0 for name in ("tiny", "frozen", "quick", "standard"))


def test_an_index_suggests_how_to_retrieve_ours_or_as_the_paper_does() -> None:
    index = IndexConfig(neighbours=7, temperature=0.2)
    assert index.policy() == PolicyConfig(7, 0.2)
    assert index.policy("plain") == PolicyConfig(7, 0.2, metric="euclidean", regression="mean", gripper_lookahead=0)
    with pytest.raises(ConfigError, match="choose one of: default, plain"):
        index.policy("best")
