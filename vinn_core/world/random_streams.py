"""Where randomness comes from: one stream for each thing that an episode's seed decides.

A stream never disturbs another: what is drawn for the look of an episode leaves its reset as it was.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Second word of the random seed; the first is the episode's seed. Numbers given once are never given anew."""

    RESET = 0
    LOOK = 1
    NOISE = 2
    RANDOM_POLICY = 3


def random_of(seed: int, stream: Stream) -> np.random.Generator:
    """The generator of one stream of episode seed `seed`."""
    return np.random.default_rng([seed, int(stream)])
