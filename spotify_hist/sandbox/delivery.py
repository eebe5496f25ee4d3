"""Owns whether, when and with which timestamp recently-played tells of a play.

Never changes the play itself: the truth stays in `life`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from spotify_hist.model import Kind

COUNTS_AFTER_MS = 30_000
NEVER_DELIVERED = 0.014  # FACTS 3.8
SHORT_DELIVERED = 0.04  # FACTS 3.8: "mostly, not reliably, left out"
LATE = 0.012  # FACTS 3.4
LATEST_S = int(8.9 * 86_400)  # FACTS 3.4
WORST_OFFSET_MS = 4_500  # within the +-5 s of FACTS 6.2


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the API tells one play.

    `played_at_ms` is its timestamp (epoch ms of the END, within 4.5 s of the export's `ts`);
    `whole_second` leaves the milliseconds out of its text (FACTS 3.7). The item shows up
    `delay_s + late_by_s` seconds after the play; `late_by_s` is 0 for a prompt one (FACTS 3.4).
    `reissue_shift_ms`, where not 0, moves the timestamp by under 2 s from `reissue_after_s`
    seconds after the first showing on (FACTS 3.6). `listed_twice` repeats the item within one
    answer (FACTS 3.6).
    """

    played_at_ms: int
    whole_second: bool
    delay_s: int
    late_by_s: int
    reissue_shift_ms: int
    reissue_after_s: int
    listed_twice: bool


def decide(
    rng: Random,
    *,
    ended_at_ms: int,
    ms_played: int,
    kind: Kind,
    incognito: bool,
    repeats_previous: bool,
) -> Delivery | None:
    """How the API tells this play, or None if it never does (FACTS 3.8).

    A short play of the track played just before stays untold: by FACTS 6.2 the API could not
    tell the two apart.
    """
    if kind != "track" or incognito:
        return None
    if ms_played < COUNTS_AFTER_MS and (repeats_previous or rng.random() >= SHORT_DELIVERED):
        return None
    if rng.random() < NEVER_DELIVERED:
        return None
    offset = _offset_ms(rng)
    whole_second = rng.random() < 0.004 and abs(offset) < 2_000
    # The export's `ts` is the floor of the end; the API's stamp scatters around that (FACTS 6.1).
    played_at_ms = ended_at_ms // 1000 * 1000 + offset
    if whole_second:
        played_at_ms = played_at_ms // 1000 * 1000
    shift = _reissue_shift_ms(rng, offset)
    return Delivery(
        played_at_ms=played_at_ms,
        whole_second=whole_second,
        delay_s=1 + ended_at_ms % 6,
        late_by_s=_late_by_s(rng),
        reissue_shift_ms=shift,
        reissue_after_s=rng.randint(300, 5_400) if shift else 0,
        listed_twice=rng.random() < 0.004,
    )


def _offset_ms(rng: Random) -> int:
    roll = rng.random()
    sign = rng.choice((-1, 1))
    if roll < 0.935:
        return sign * rng.randint(0, 990)
    if roll < 0.994:
        return sign * rng.randint(1_000, 1_980)
    return sign * rng.randint(2_000, WORST_OFFSET_MS)


def _late_by_s(rng: Random) -> int:
    """0, or 20 minutes to 8.9 days, spread evenly over the orders of magnitude."""
    if rng.random() >= LATE:
        return 0
    return int(math.exp(rng.uniform(math.log(1_200), math.log(LATEST_S))))


def _reissue_shift_ms(rng: Random, offset: int) -> int:
    if rng.random() >= 0.006:
        return 0
    shift = rng.randint(150, 1_950)
    return -shift if offset > 0 else shift
