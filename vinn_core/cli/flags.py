"""Command-line flags made from the fields of a job, and the job made from flags and a JSON document."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_type_hints

from vinn_core.config import JsonConfig, Option, kind_of, option_of, range_in_words, require_name
from vinn_core.config.fields import within
from vinn_core.errors import ConfigError

BAD_INPUT = 2
"""Exit code for bad usage and bad input."""
STOPPED = 3
"""Exit code of a command that was stopped early."""

Job = TypeVar("Job", bound=JsonConfig)


class OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}; see {self.prog} --help\n")


def add_flags(parser: argparse.ArgumentParser, kind: type[JsonConfig], within_settings: str = "") -> None:
    """A flag for every setting of `kind`, those of nested settings included. What is not given leaves no trace."""
    hints = get_type_hints(kind)
    for setting in fields(kind):
        hint = hints[setting.name]
        if isinstance(hint, type) and issubclass(hint, JsonConfig):
            add_flags(parser, hint, f"{within_settings}{setting.name}.")
            continue
        known = option_of(setting)
        if not known.help:
            continue
        parser.add_argument(
            flag_of(setting),
            dest=f"{within_settings}{setting.name}",
            default=argparse.SUPPRESS,
            help=_help(setting, known, own_default=not within_settings),
            **_how_it_is_read(hint, known),
        )


def flag_of(setting: Field[Any]) -> str:
    """ "--batch-size" of `batch_size`."""
    return option_of(setting).flag or f"--{setting.name.replace('_', '-')}"


def job_from(kind: type[Job], given: dict[str, Any], document: dict[str, Any]) -> Job:
    """The job that `document` describes, changed by what is `given`: values by dotted names, as `add_flags` has them.

    Raises:
        ConfigError: something is missing, unknown, or cannot work.
    """
    for name, value in given.items():
        *path, last = name.split(".")
        target = document
        for part in path:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise ConfigError(f"{part} is no JSON object. Give its settings by name, such as {{}}.")
        target[last] = value
    return kind.from_dict(document)


def missing_flags(kind: type[JsonConfig], given: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """Flags of what has no default and is neither `given` nor in the `document`."""
    needed = [setting for setting in fields(kind) if option_of(setting).needed]
    return [flag_of(setting) for setting in needed if setting.name not in {**document, **given}]


def read_document(place: str) -> dict[str, Any]:
    """The JSON object in the file `place`; "-" reads standard input just to its end, and leaves what follows.

    Raises:
        ConfigError: there is no such file, or it holds something else.
    """
    try:
        document = _read_first_object() if place == "-" else json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{place} cannot be read as JSON: {error}. Give a file that holds one object.") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{place} holds no JSON object. Give settings by name, such as {{}}.")
    return document


def _read_first_object() -> Any:
    text = ""
    while line := sys.stdin.readline():
        text += line
        try:
            return json.loads(text)
        except ValueError:  # goes on in the next line
            continue
    return json.loads(text)


def _help(setting: Field[Any], known: Option, own_default: bool) -> str:
    zero = f"; 0: {known.zero}" if known.zero else ""
    plain = setting.default is not MISSING and setting.default not in (None, (), False)
    default = f" (default: {setting.default})" if plain and own_default and not known.needed else ""
    return f"{known.help}{zero}{default}".replace("%", "%%")


def _how_it_is_read(hint: Any, known: Option) -> dict[str, Any]:
    """For `add_argument`."""
    kind, several = kind_of(hint)
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction}
    metavar = known.metavar or _METAVARS[kind]
    if several:
        return {"nargs": "+", "action": "extend", "type": kind, "metavar": metavar}
    if known.choices:
        return {"choices": known.choices}
    if known.is_name:
        return {"type": _name, "metavar": "NAME"}
    return {"type": kind if known.least is None else _number(kind, known), "metavar": metavar}


_METAVARS = {int: "N", float: "X", str: "TEXT"}


def _number(kind: type[int] | type[float], known: Option) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not within(value, known):
            raise argparse.ArgumentTypeError(f"{text}; use {range_in_words(known)}")
        return value

    return convert


def _name(text: str) -> str:
    try:
        return require_name(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
