"""How settings are declared: each a field of a frozen dataclass that knows its range, its words and its flag.

A field made by `option` is all that is said of a setting: its default, what it means, and what it may be. Files (JSON),
the command line (`vinn_core.cli.flags`) and the window's forms are made from that.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import Field, dataclass, field, fields
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

import msgspec

from vinn_core.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """What is known of a setting beside its name, type and default.

    Attributes:
        help: what it is, half a sentence.
        least: of a number; None: anything.
        most: of a number; None: anything.
        unit: of a number, to be read behind it.
        choices: of a text; empty: anything.
        zero: what the number 0 means, where it means something of its own.
        flag: on the command line; "" for the name with dashes.
        metavar: what stands for the value in the help; "" for what its type says.
        needed: has no default.
        is_name: names a folder within the workspace, see `require_name`.
    """

    help: str = ""
    least: float | None = None
    most: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    zero: str = ""
    flag: str = ""
    metavar: str = ""
    needed: bool = False
    is_name: bool = False


def option(default: Any, help: str, **known: Any) -> Any:
    """A dataclass field with an `Option`, whose attributes `known` gives."""
    return field(default=default, metadata={"option": Option(help, **known)})


def option_of(setting: Field[Any]) -> Option:
    """What was declared by `option`; of a plain field nothing is known."""
    return setting.metadata.get("option", Option())


def kind_of(hint: Any) -> tuple[type, bool]:
    """What a setting with this type hint holds, None left out, and whether it holds several of that in a tuple."""
    if get_origin(hint) is UnionType:
        hint = next(part for part in get_args(hint) if part is not type(None))
    return (get_args(hint)[0], True) if get_origin(hint) is tuple else (hint, False)


def require(condition: bool, sentence: str) -> None:
    """Raises ConfigError with `sentence` unless `condition` holds."""
    if not condition:
        raise ConfigError(sentence)


def require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises ConfigError naming the alternatives."""
    require(value in allowed, f"{name} = {value!r} is unknown; choose one of: {', '.join(allowed)}.")


def require_name(text: str) -> str:
    """`text`, when it can name a folder within a workspace. Raises ConfigError."""
    require(bool(re.fullmatch(r"\w[\w.-]*", text)), f"{text!r} is no name; use letters, digits, '-', '_' and '.'")
    return text


class JsonRecord:
    """JSON both ways for frozen dataclasses: nested ones, enumerations, tuples and mappings by number included."""

    def to_dict(self) -> dict[str, Any]:
        """Its fields, made of what JSON knows."""
        return msgspec.to_builtins(self, str_keys=True)

    def to_json(self) -> str:
        """Readable; ends with a line break."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; what is unknown is passed over, what is missing takes its default.

        Raises:
            ValueError: something is missing, or of another type.
        """
        return msgspec.convert(values, cls, strict=True, str_keys=True)


@dataclass(frozen=True)
class JsonConfig(JsonRecord):
    """Settings: a record that refuses what cannot work and what it does not know. See `option`."""

    def __post_init__(self) -> None:
        for setting in fields(self):
            known, value = option_of(setting), getattr(self, setting.name)
            if value is None:
                continue
            if known.choices:
                require_one_of(setting.name, value, known.choices)
            if known.is_name:
                require_name(value)
            if known.least is not None or known.most is not None:
                require(within(value, known), f"{setting.name} = {value}; use {range_in_words(known)}.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises ConfigError naming what is unknown, missing, of another type, or cannot work."""
        _require_known(cls, values)
        try:
            return super().from_dict(values)
        except ValueError as error:
            raise ConfigError(f"{cls.__name__} cannot be read: {error}.") from error


def _require_known(kind: type[JsonConfig], values: Any) -> None:
    """Nested settings included."""
    require(isinstance(values, dict), f"{kind.__name__} cannot be read: it is not a JSON object.")
    known = get_type_hints(kind)
    unknown = sorted(set(values) - set(known))
    require(not unknown, f"unknown setting {', '.join(unknown)}; known are: {', '.join(sorted(known))}.")
    for name, hint in known.items():
        if name in values and isinstance(hint, type) and issubclass(hint, JsonConfig):
            _require_known(hint, values[name])


def within(value: float, known: Option) -> bool:
    """Whether a number is finite and in the range; NaN is not."""
    least = -math.inf if known.least is None else known.least
    most = math.inf if known.most is None else known.most
    return math.isfinite(value) and least <= value <= most


def range_in_words(known: Option) -> str:
    """ "0 (no limit) or more", "32 to 512 pixels": what a number may be."""
    zero = f" ({known.zero})" if known.zero and known.least == 0 else ""
    unit = f" {known.unit}" if known.unit else ""
    if known.most is None:
        return f"{known.least:g}{zero} or more{unit}"
    return f"{known.least:g}{zero} to {known.most:g}{unit}"
