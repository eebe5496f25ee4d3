"""Owns what a question to Spotify comes to: an answer, nothing known, another try, or the end.

Never touches the database, and never takes a refusal or a failure for "does not exist".
"""

from __future__ import annotations

import re
from collections import Counter, deque
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from spotify_hist.collect.details import reading
from spotify_hist.collect.details.abilities import ABILITY_FOR
from spotify_hist.collect.details.asking import PurseEmptyError
from spotify_hist.errors import (
    BadInput,
    LoginNeeded,
    Offline,
    RateLimited,
    SpotifyHistError,
    Unavailable,
    Unreachable,
    VaultError,
)
from spotify_hist.store.enrich import NOT_FOUND_AGAIN, Answers, Settled, State, Want

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from spotify_hist.collect.details.abilities import Abilities, Ability
    from spotify_hist.collect.details.asking import Asker
    from spotify_hist.collect.pages import Clock

_FIRST_RETRY, _LONGEST_RETRY = timedelta(minutes=15), timedelta(days=7)
_FAILURES_IN_A_ROW = 3
_MISSES = 3
_ROUND_ANSWERS = 50
_CLOSABLE: frozenset[Ability | None] = frozenset({"several", "audio_features"})
_SPOTIFY_ID = re.compile(r"[0-9A-Za-z]{22}")


class Questions:
    """The questions of one run. `error` is what ended it, if anything did."""

    def __init__(self, asker: Asker, clock: Clock) -> None:
        self.error: SpotifyHistError | None = None
        self._asker = asker
        self._clock = clock
        self._in_a_row = 0
        self._misses = 0
        self._strikes: Counter[str] = Counter()
        self._has_plain_worked = False
        self._retried: Ability | None = None

    def round(self, wants: Sequence[Want], abilities: Abilities) -> Answers:
        """Ask, in this order, until there are enough answers to be kept or something ends it.

        What the calls show of the app's abilities is learnt by `abilities`.
        """
        self._answers = Answers()
        self._abilities = abilities
        self._queue = deque(wants)
        self._is_round_over = False
        while (
            self._queue
            and not self._is_round_over
            and self.error is None
            and len(self._answers) < _ROUND_ANSWERS
        ):
            want = self._queue.popleft()
            ability = ABILITY_FOR.get(want.entity)
            if want.entity != "link" and not _SPOTIFY_ID.fullmatch(want.id):
                self._settle(want, "not_found")
            elif ability is None or abilities.may(ability):
                group = self._group(want)
                self._ask(group, "several" if len(group) > 1 else ability)
        return self._answers

    def _group(self, want: Want) -> list[Want]:
        """`want` and, where one request may be about several, the next ones of its kind.

        Whether the app still has the batch endpoints is first tried when a plain call has just
        worked: then a failure says something about them (FACTS 1.6).
        """
        most = min(self._asker.most_at_once(want.entity), _ROUND_ANSWERS - len(self._answers))
        is_batch = self._abilities.may("several") and (
            self._abilities.is_proven("several") or self._has_plain_worked
        )
        if most < 2 or not is_batch:
            return [want]
        more = [
            each
            for each in self._queue
            if each.entity == want.entity and _SPOTIFY_ID.fullmatch(each.id)
        ][: most - 1]
        taken = {each.id for each in more}
        self._queue = deque(
            each for each in self._queue if each.entity != want.entity or each.id not in taken
        )
        return [want, *more]

    def _ask(
        self,
        group: list[Want],
        ability: Ability | None,
        instead: Callable[[], object] | None = None,
    ) -> bool:
        """Whether Spotify answered, be it that it does not know; what came of it is noted."""
        try:
            if instead is None:
                self._tell(group)
            else:
                instead()
        except PurseEmptyError:
            self._is_round_over = True
        except Unavailable as error:
            if ability is None:
                self.error = error
            else:
                self._abilities.is_refused(ability)
                self._queue.extendleft(reversed(group))
        except (LoginNeeded, VaultError) as error:
            self._is_round_over = True
            if not self._asker.leave():
                self.error = error
        except (RateLimited, Offline) as error:
            self._setback(group, ability, error)
        except SpotifyHistError as error:
            if not isinstance(error, BadInput) or error.code != "not_found":
                self.error = error
                return False
            self._missing(group[0], ability)
            return True
        else:
            self._worked(ability)
            return True
        return False

    def _tell(self, group: list[Want]) -> None:
        if len(group) == 1:
            if not self._take(group[0], self._asker.one(group[0])):
                raise Offline("Spotify answered something that is not what was asked for.")
            return
        for want, told in zip(group, self._asker.several(group), strict=True):
            if told is None:
                self._settle(want, "not_found")
            elif not self._take(want, told):
                self._blame(want)

    def _take(self, want: Want, told: object) -> bool:
        """Note an answer; False where it is none."""
        answers = self._answers
        if want.entity == "link":
            found = (reading.song(each) for each in cast("list[object]", told))
            answers.found[want.id] = [song for song in found if song is not None]
            return True
        if want.entity == "track" and (song := reading.song(told, want.id)):
            answers.songs.append(song)
        elif want.entity == "artist" and (artist := reading.artist(told, want.id)):
            answers.artists.append(artist)
        elif want.entity == "album" and (album := reading.album(told, want.id)):
            answers.albums.append(album)
        elif want.entity == "features" and (features := reading.features(told, want.id)):
            answers.features.append(features)
        else:
            return False
        self._settle(want, "done")
        return True

    def _worked(self, ability: Ability | None) -> None:
        self._in_a_row = 0
        if ability is None:
            self._has_plain_worked = True
        else:
            self._abilities.works(ability)
            self._strikes[ability] = 0
            self._retried = None

    def _missing(self, want: Want, ability: Ability | None) -> None:
        """Spotify knows nothing by this id: believed, unless the whole endpoint may be gone."""
        self._in_a_row = 0
        if ability == "audio_features" and not self._abilities.is_proven(ability):
            self._misses += 1
            self._blame(want)
            if self._misses >= _MISSES:
                self._abilities.is_refused(ability)
        else:
            self._settle(want, "not_found")
            self._has_plain_worked = self._has_plain_worked or ability is None

    def _setback(
        self, group: list[Want], ability: Ability | None, error: RateLimited | Offline
    ) -> None:
        want = group[0]
        if isinstance(error, RateLimited):
            has_waited = self._asker.wait_for(error)
            is_doubtful = ability in _CLOSABLE and not (has_waited and self._retried != ability)
            if is_doubtful and ability is not None:
                self._doubt(group, ability, error, may_ask=has_waited or not error.not_before_s)
            elif has_waited:
                self._retried = ability
                self._queue.extendleft(reversed(group))
            else:
                self.error = error
        elif ability in _CLOSABLE and ability is not None and not isinstance(error, Unreachable):
            self._doubt(group, ability, error, may_ask=True)
        else:
            self._blame(want)
            self._in_a_row += 1
            if self._in_a_row >= _FAILURES_IN_A_ROW or isinstance(error, Unreachable):
                self.error = error

    def _doubt(
        self, group: list[Want], ability: Ability, error: SpotifyHistError, *, may_ask: bool
    ) -> None:
        """Is the endpoint closed, or Spotify in trouble? A plain call right after it tells.

        Removed endpoints have been seen answering 429 and 503 (FACTS 1.6). Where Spotify wants no
        call for long, it stays open until it happens again right after a plain call. One that
        has worked before is given a second chance.
        """
        want, is_proven = group[0], self._abilities.is_proven(ability)
        if not may_ask:
            if self._has_plain_worked and not is_proven:
                self._abilities.is_doubted(ability)
            self.error = error
            return
        track = Want("track", want.id, want.plays)
        is_plain = self._ask(
            [want], None, None if ability == "several" else lambda: self._asker.one(track)
        )
        if not is_plain:
            return
        self._queue.extendleft(reversed(group[1:]))
        self._strikes[ability] += 1
        if not is_proven or self._strikes[ability] > 1:
            self._abilities.seems_closed(ability)
        elif ability != "several":
            self._blame(want)

    def _blame(self, want: Want) -> None:
        """Asked again later, and each time later."""
        wait = min(_LONGEST_RETRY, _FIRST_RETRY * 4 ** min(want.tries, 10))
        self._answers.settled.append(
            Settled(want.entity, want.id, "waiting", want.tries + 1, self._clock() + wait)
        )

    def _settle(self, want: Want, state: State) -> None:
        again = self._clock() + NOT_FOUND_AGAIN if state == "not_found" else None
        self._answers.settled.append(Settled(want.entity, want.id, state, 0, again))
