"""Numbers as people read them."""

from __future__ import annotations

from datetime import datetime


def count(number: int, noun: str) -> str:
    """ "1 episode", "12 episodes"."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def duration(seconds: float) -> str:
    """ "12 s", "4 min", "1 h 20 min"; rounded to what is worth knowing."""
    if seconds < 60:
        return f"{max(round(seconds), 0)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def time_left(seconds: float | None) -> str:
    """ "about 4 min left", or "" while unknown."""
    return "" if seconds is None else f"about {duration(seconds)} left"


def moment(iso: str, now: datetime | None = None) -> str:
    """An ISO 8601 moment in local time: "14:02" today, "23 Nov 14:02" this year, "23 Nov 2026" before.

    What cannot be read gives "".
    """
    try:
        then = datetime.fromisoformat(iso).astimezone()
    except ValueError:
        return ""
    now = (now or datetime.now().astimezone()).astimezone()
    if then.date() == now.date():
        return f"{then:%H:%M}"
    day = f"{then.day} {then:%b}"
    return f"{day} {then:%H:%M}" if then.year == now.year else f"{day} {then.year}"
