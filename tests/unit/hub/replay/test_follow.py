"""Stories across centers: who said what because of what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hub.protocol.rules import FIRST
from hub.replay.decoding import Decoder
from hub.replay.follow import Story, follow
from hub.replay.named import follow_entity
from hub.replay.source import Ledger
from tests.support.center import Center, offer
from tests.support.hq import Hq
from tests.support.lived import CORRELATION, OPENED, PUBLISHED, SIGNED, day, deal

GIVEN, DISPUTED = (f"net.cohub.deal_confirmation.{name}.v1" for name in ("given", "disputed"))


async def chain(folder: Path, links: Sequence[tuple[str, str, str | None, str | None]]) -> Path:
    """Make a hub in which uz and kz say one thing each in turn: (center, id, cause, correlation)."""
    centers = {name: Center(name) for name in ("uz", "kz")}
    hq = await Hq.open(folder, *centers.values())
    for number, (name, event_id, cause, correlation) in enumerate(links):
        center = centers[name]
        records = [center.opening()] if center.edge.size == 0 else []
        event = center.event(
            PUBLISHED, f"K-{number}", offer(), event_id=event_id, causation_id=cause, correlation_id=correlation
        )
        records.append(center.sealed(center.append(event)))
        await hq.feed(name, records)
    await hq.store.close()
    return folder / "hub.sqlite3"


def told(story: Story) -> list[tuple[int, str]]:
    return [(depth, node.said.id) for depth, node in story.walk()]


def test_correlation_is_followed_across_centers(ledger: Ledger) -> None:
    """The same story, asked for by its correlation or by one of its events."""
    story = follow(ledger, CORRELATION)
    assert [(depth, node.said.lane.center, node.said.name) for depth, node in story.walk()] == [
        (0, "uz", "offer.published"),
        (1, "kz", "deal.opened"),
    ]
    assert story.is_whole
    for _, node in story.walk():
        assert told(follow(ledger, node.said.id)) == told(story)


async def test_causes_are_followed_without_a_correlation(tmp_path: Path) -> None:
    """Up to the first cause and down to the last effect, from any of them; a stranger's story stays out."""
    links = [("uz", "a", None, None), ("kz", "b", "a", None), ("uz", "c", "b", None), ("kz", "d", "a", "other"),
             ("kz", "z", None, "other")]  # fmt: skip
    with Ledger.open(await chain(tmp_path, links)) as ledger:
        expected = [(0, "a"), (1, "b"), (2, "c"), (1, "d")]
        for wanted in ("a", "b", "c"):
            assert told(follow(ledger, wanted)) == expected
        assert told(follow(ledger, "other")) == [*expected, (0, "z")]


async def test_cause_that_hq_does_not_have_is_named(tmp_path: Path) -> None:
    with Ledger.open(await chain(tmp_path, [("uz", "b", "lost", None)])) as ledger:
        story = follow(ledger, "lost")
        assert story.roots[0].unknown_cause == "lost"
        assert follow(ledger, "never").roots == []


async def test_events_that_cause_one_another_are_told_once(tmp_path: Path) -> None:
    """No center can send us round in a circle, and an id that two events bear stands for the first."""
    links = [("uz", "a", "c", None), ("kz", "b", "a", None), ("uz", "c", "b", None), ("kz", "a", "b", None),
             ("uz", "self", "self", None)]  # fmt: skip
    with Ledger.open(await chain(tmp_path, links)) as ledger:
        found = told(follow(ledger, "b"))
        assert sorted(id_ for _, id_ in found) == ["a", "a", "b", "c"]
        assert found[0][0] == 0
        assert told(follow(ledger, "self")) == [(0, "self")]


async def test_many_ids_are_looked_for_as_well_as_few(tmp_path: Path) -> None:
    """Over the limit of needles every row's headers are read; the story is the same."""
    links = [("uz", "root", None, None), *(("kz", f"e{n}", "root", None) for n in range(20)),
             *(("uz", f"f{n}", f"e{n}", None) for n in range(20))]  # fmt: skip
    with Ledger.open(await chain(tmp_path, links)) as ledger:
        story = follow(ledger, "root")
        assert len(told(story)) == 41
        assert told(follow(ledger, "root", needles_max=1_000)) == told(story)


async def test_story_longer_than_the_search_goes_says_so(tmp_path: Path) -> None:
    links = [("uz", f"n{n}", f"n{n - 1}", None) for n in range(1, 30)]
    with Ledger.open(await chain(tmp_path, links)) as ledger:
        assert not follow(ledger, "n29", passes_max=5).is_whole


async def test_entity_is_followed_to_what_it_names_and_what_names_it(tmp_path: Path) -> None:
    """A deal came of an offer, and its counterpart confirmed it; another deal of that offer is another story."""
    uz, kz, by = Center("uz"), Center("kz"), Center("by")
    hq = await Hq.open(tmp_path, uz, kz, by)
    said = [
        (uz, PUBLISHED, "K-1", offer()),
        (uz, PUBLISHED, "K-11", offer()),
        (uz, OPENED, "D-1", deal(offer="uz:K-1", counterpart_center="kz")),
        (kz, GIVEN, "C-1", {"deal": "uz:D-1"}),
        (kz, GIVEN, "C-2", {"deal": "kz:D-1"}),  # rejected: a center does not confirm its own deal
        (uz, SIGNED, "D-1", deal("uz:K-11", offer="uz:K-1", counterpart_center="kz", signed_on=day(1).date())),
        (uz, OPENED, "D-2", deal(offer="uz:K-1")),
        (by, GIVEN, "C-1", {"deal": "uz:D-1", "note": "not ours"}),
        (kz, DISPUTED, "C-1", {"deal": "uz:D-1"}),
    ]
    opened: set[str] = set()
    for number, (center, kind, key, value) in enumerate(said):
        records = [] if center.id in opened else [center.opening()]
        opened.add(center.id)
        records.append(center.append(center.event(kind, key, value)))
        await hq.feed(center.id, [*records[:-1], center.sealed(records[-1])], day(1, number))
    await hq.store.close()
    with Ledger.open(tmp_path / "hub.sqlite3") as ledger:
        decoder = Decoder(ledger)

        def story(*keys: tuple[str, str]) -> list[tuple[int, str, str]]:
            found = follow_entity(ledger, decoder, list(keys))
            assert found.is_whole
            return [(depth, node.said.name, node.said.event.subject) for depth, node in found.walk()]

        assert story(("deal", "uz:D-1")) == [
            (0, "offer.published", "uz:K-1"),
            (1, "deal.opened", "uz:D-1"),
            (2, "deal_confirmation.given", "kz:C-1"),
            (3, "deal_confirmation.disputed", "kz:C-1"),
            (2, "deal.signed", "uz:D-1"),
            (2, "deal_confirmation.given", "by:C-1"),
        ]
        assert story(("deal_confirmation", "by:C-1")) == [
            (0, "offer.published", "uz:K-1"),
            (1, "deal.opened", "uz:D-1"),
            (2, "deal.signed", "uz:D-1"),
            (2, "deal_confirmation.given", "by:C-1"),
        ]
        assert [subject for _, _, subject in story(("offer", "uz:K-1"))].count("uz:D-2") == 1
        assert story(("offer", "uz:K-11")) == [(0, "offer.published", "uz:K-11")]
        assert follow_entity(ledger, decoder, [("offer", "uz:K-1")], passes_max=1).is_whole is False


async def test_rejected_event_stands_before_what_was_said_instead(tmp_path: Path) -> None:
    """An entity's story begins with the rejection, not with the first event that was accepted."""
    uz, kz = Center("uz"), Center("kz")
    hq = await Hq.open(tmp_path, uz, kz, rules=FIRST)  # by which an id may be any word
    await hq.feed("uz", [uz.opening(), uz.sealed(uz.append(uz.event(OPENED, "D-1", deal(counterpart_center="kz"))))])
    opening = [kz.opening()]
    for event_id, cause, named in (("r1", None, "kz:D-1"), ("r2", "r1", "kz:D-2"), ("a1", "r2", "uz:D-1")):
        event = kz.event(GIVEN, "C-1", {"deal": named}, event_id=event_id, causation_id=cause)
        await hq.feed("kz", [*opening, kz.sealed(kz.append(event))])
        opening = []
    await hq.store.close()
    with Ledger.open(tmp_path / "hub.sqlite3") as ledger:
        for key in (("deal_confirmation", "kz:C-1"), ("deal", "uz:D-1")):
            story = told(follow_entity(ledger, Decoder(ledger), [key]))
            assert [depth for depth, _ in story] == [0, 1, 2, 3]  # below the deal that is named at last
            assert [name for _, name in story][1:] == ["r1", "r2", "a1"]
