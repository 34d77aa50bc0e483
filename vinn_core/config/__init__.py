"""Every setting, as frozen dataclasses that validate themselves and turn into JSON and back. Imports nothing heavy."""

from vinn_core.config.fields import JsonConfig, JsonRecord, Option, option, option_of, range_in_words, require_name
from vinn_core.config.jobs import (
    DEFAULT_NAME,
    FIRST_HELD_OUT_SEED,
    POLICIES,
    CollectJob,
    EvaluateJob,
    IndexJob,
    ReplayJob,
    TrainJob,
    index_and_setting,
)
from vinn_core.config.retrieval import METRICS, POLICY_SETTINGS, REGRESSIONS, IndexConfig, PolicyConfig
from vinn_core.config.training import (
    BACKBONES,
    FEWEST_COMPARED_DEMONSTRATIONS,
    KEEP,
    MOST_COMPARED_FRAMES,
    PRESETS,
    START_WEIGHTS,
    EncoderConfig,
    TrainConfig,
    preset,
)
from vinn_core.config.workspace import LOOKS, TASKS, WorkspaceConfig

__all__ = [
    "BACKBONES",
    "DEFAULT_NAME",
    "FEWEST_COMPARED_DEMONSTRATIONS",
    "FIRST_HELD_OUT_SEED",
    "KEEP",
    "LOOKS",
    "METRICS",
    "MOST_COMPARED_FRAMES",
    "POLICIES",
    "POLICY_SETTINGS",
    "PRESETS",
    "REGRESSIONS",
    "START_WEIGHTS",
    "TASKS",
    "CollectJob",
    "EncoderConfig",
    "EvaluateJob",
    "IndexConfig",
    "IndexJob",
    "JsonConfig",
    "JsonRecord",
    "Option",
    "PolicyConfig",
    "ReplayJob",
    "TrainConfig",
    "TrainJob",
    "WorkspaceConfig",
    "index_and_setting",
    "option",
    "option_of",
    "preset",
    "range_in_words",
    "require_name",
]
