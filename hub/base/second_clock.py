"""Which is off, this computer's clock or a certificate's dates: judged by other clocks, where there are any. Pure.

A certificate that is not valid now tells that one of the two is wrong, and not which. What time another clock has
decides it. What HQ has signed at some time proves that it is at least as late: that alone can prove a clock to be
behind, or a certificate to have expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.base.obstacle import span_said, time_text
from hub.base.shown_certificate import ShownCertificate
from schemas.words.said import Said, said

AGREE: Final = timedelta(minutes=1)  # two clocks that are set right, and the way between them


@dataclass(frozen=True, slots=True)
class SecondClock:
    """A time by another clock: the time it is, or (`is_past`) a time that has been for sure."""

    at: datetime
    is_past: bool = False


def judge_dates(shown: ShownCertificate, now: datetime, clocks: Iterable[SecondClock] = ()) -> Said:
    """Return what is off where a certificate is not valid at `now`, by this computer's clock."""
    clocks = tuple(clocks)
    present = next((clock.at for clock in clocks if not clock.is_past), None)
    past = max((clock.at for clock in clocks if clock.is_past), default=None)
    if now > shown.ends:
        return _judge_expired(shown, now, present, past)
    return _judge_early(shown, now, present, past)


def judge_clock(now: datetime, present: datetime) -> Said | None:
    """Return that this computer's clock is off another one that tells the time; None where they agree."""
    gap = now - present
    if abs(gap) <= AGREE:
        return None
    return clock_said(gap)


def clock_said(gap: timedelta, *, is_least: bool = False) -> Said:
    """Return that this computer's clock is ahead by so much (or more), or behind where it is negative."""
    span = span_said(gap)
    shown = said("span.least", span=span) if is_least else said("span.about", span=span)
    values = {"gap": shown, "seconds": round(abs(gap).total_seconds(), 3)}
    return said("obstacles.clock_ahead", **values) if gap > timedelta() else said("obstacles.clock_behind", **values)


def _judge_expired(shown: ShownCertificate, now: datetime, present: datetime | None, past: datetime | None) -> Said:
    dates = {"ends": time_text(shown.ends), "now": time_text(now)}
    if any(moment is not None and moment > shown.ends for moment in (present, past)):
        return said("obstacles.certificate_expired", **dates)
    if present is not None:
        return clock_said(now - present)
    return said("obstacles.expired_or_ahead", **dates)


def _judge_early(shown: ShownCertificate, now: datetime, present: datetime | None, past: datetime | None) -> Said:
    dates = {"begins": time_text(shown.begins), "now": time_text(now)}
    if present is not None:
        return clock_said(now - present) if present >= shown.begins else said("obstacles.certificate_early", **dates)
    if past is not None and past - now > AGREE:
        return clock_said(now - past, is_least=True)
    return said("obstacles.early_or_behind", **dates)
