"""A job is described once: every setting can be given by flag and by JSON document, and flags overrule the document."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from vinn_core.cli.flags import OneLineParser, add_flags, flag_of, job_from, missing_flags, read_document
from vinn_core.cli.main import COMMANDS, main
from vinn_core.config import (
    PRESETS,
    CollectJob,
    EvaluateJob,
    IndexConfig,
    IndexJob,
    JsonConfig,
    ReplayJob,
    TrainConfig,
    TrainJob,
    option,
)
from vinn_core.encoder.store import read_stored_encoder
from vinn_core.errors import ConfigError

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample_workspace"
JOBS: list[JsonConfig] = [
    CollectJob(task="push", look="varied", episodes=3, seed=4, noise=0.5),
    ReplayJob(episode=2, states=True),
    TrainJob("mine", resume=True, index=True, train=TrainConfig(epochs=2, cameras=("wrist", "front"), keep="best")),
    IndexJob("mine", "other", IndexConfig(whiten=8, camera_weights=(0.5, 0.25), leave_out_idle=False)),
    EvaluateJob(policy="expert", compare=("a:plain", "random"), k=3, processes=2, save="it", film_failures="films"),
]


def from_flags(kind: type[JsonConfig], *arguments: str, document: dict[str, Any] | None = None) -> JsonConfig:
    parser = OneLineParser(prog="vinn")
    add_flags(parser, kind)
    return job_from(kind, vars(parser.parse_args(arguments)), document or {})


def as_flags(config: JsonConfig) -> list[str]:
    """Every setting that has a value, as a person would type it."""
    arguments: list[str] = []
    for setting in fields(config):
        value = getattr(config, setting.name)
        if isinstance(value, JsonConfig):
            arguments += as_flags(value)
        elif isinstance(value, bool):
            arguments.append(flag_of(setting) if value else flag_of(setting).replace("--", "--no-", 1))
        elif isinstance(value, tuple) and value:
            arguments += [flag_of(setting), *map(str, value)]
        elif value is not None and value != ():
            arguments += [flag_of(setting), str(value)]
    return arguments


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_every_setting_can_be_given_by_flag_and_by_document(job: JsonConfig) -> None:
    kind = type(job)
    assert from_flags(kind, *as_flags(job)) == job
    assert from_flags(kind, document=json.loads(job.to_json())) == job


def test_a_flag_overrules_the_document() -> None:
    document = TrainJob("mine", train=TrainConfig(epochs=7, seed=5)).to_dict()
    assert from_flags(TrainJob, "--epochs", "3", document=document) == TrainJob(
        "mine", train=TrainConfig(epochs=3, seed=5)
    )


def test_what_is_left_out_is_as_the_preset_has_it() -> None:
    assert from_flags(TrainJob, "--preset", "standard", "--seed", "2").to_dict()["train"] == {
        **PRESETS["standard"].to_dict(),
        "seed": 2,
    }
    assert from_flags(TrainJob, document={"train": {"preset": "tiny"}}) == TrainJob(train=PRESETS["tiny"])
    assert from_flags(TrainJob) == TrainJob(train=PRESETS["quick"])


def test_a_new_setting_needs_one_line() -> None:
    @dataclass(frozen=True)
    class Juggling(JsonConfig):
        balls: int = option(3, "how many are in the air", least=1, most=9)

    assert from_flags(Juggling, "--balls", "5") == Juggling(5)
    assert from_flags(Juggling, document={"balls": 4}) == Juggling(4)
    with pytest.raises(ConfigError, match="balls = 10; use 1 to 9"):
        Juggling(10)
    parser = OneLineParser(prog="vinn")
    add_flags(parser, Juggling)
    assert "how many are in the air (default: 3)" in " ".join(parser.format_help().split())


def test_no_command_has_a_flag_twice() -> None:
    for command in COMMANDS:
        add_flags(OneLineParser(prog="vinn"), command.job)  # argparse refuses what conflicts


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"nme": "x"}, "unknown setting nme; known are: .*name"),
        ({"train": {"epoch": 1}}, "unknown setting epoch; known are: .*epochs"),
        ({"train": {"epochs": "many"}}, r"TrainJob cannot be read: Expected `int`, got `str` - at `\$.train.epochs`"),
        ({"train": {"epochs": -1}}, "epochs = -1; use 0 .* or more"),
        ({"train": {"preset": "huge"}}, "preset = 'huge' is unknown; choose one of: tiny"),
        ({"train": 3}, "TrainConfig cannot be read: it is not a JSON object"),
        ({"name": "../x"}, "'../x' is no name; use letters"),
    ],
)
def test_a_document_that_cannot_work_is_told_with_a_way_out(document: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        from_flags(TrainJob, document=document)


def test_what_is_needed_may_come_from_the_document() -> None:
    assert from_flags(ReplayJob, document={"episode": 3}) == ReplayJob(3)
    assert missing_flags(ReplayJob, {}, {"episode": 3}) == missing_flags(ReplayJob, {"episode": 3}, {}) == []
    assert missing_flags(ReplayJob, {"states": True}, {}) == ["--episode"]


@pytest.mark.parametrize(
    "document", [{"train": 3}, {"train": None}, {"train": {"preset": []}}, {"train": {"preset": 1}}]
)
def test_a_document_of_the_wrong_kind_is_told_whatever_flags_come_with_it(document: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="JSON object|cannot be read"):
        from_flags(TrainJob, "--epochs", "1", document=document)


@pytest.mark.parametrize("weights", ["nan", "-1", "inf", "0"])
def test_weights_that_would_spoil_an_index_are_refused(weights: str) -> None:
    with pytest.raises(ConfigError, match="camera_weights = .*use 0 or more for each camera, and not 0 for all"):
        from_flags(IndexJob, "--camera-weights", weights)
    with pytest.raises(ConfigError, match="temperature = inf; use above 0"):
        from_flags(IndexJob, "--temperature", "inf")


def test_standard_input_is_read_to_the_end_of_the_document_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.StringIO(TrainJob("mine").to_json() + "stop\n")
    monkeypatch.setattr("sys.stdin", stdin)
    assert TrainJob.from_dict(read_document("-")) == TrainJob("mine")
    assert stdin.read().strip() == "stop"


@pytest.mark.parametrize("text", ["", "{", "[1]", "no", "[" * 100_000])
def test_a_file_that_is_no_document_is_named(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "job.json"
    file.write_text(text)
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    for place in (str(file), "-"):
        with pytest.raises(ConfigError, match=f"^{place} .*JSON"):
            read_document(place)
    with pytest.raises(ConfigError, match="nowhere.json cannot be read"):
        read_document("nowhere.json")


def test_a_command_runs_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = Path(shutil.copytree(SAMPLE, tmp_path / "sample"))
    file = tmp_path / "job.json"
    train = TrainConfig(backbone="mobilenet_v3_small", start_weights="random", epochs=0, hidden_size=99)
    file.write_text(TrainJob("mine", train=train).to_json())
    assert main(["train", "--workspace", str(workspace), "--config", str(file), "--seed", "6"]) == 0
    stored = read_stored_encoder(workspace / "encoders" / "mine")
    assert (stored.train.hidden_size, stored.train.seed) == (99, 6)
    file.write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        main(["replay", "--workspace", str(workspace), "--config", str(file)])
    told = capsys.readouterr().err.splitlines(keepends=True)[-1]
    assert told == "vinn replay: the following arguments are required: --episode; see vinn replay --help\n"
