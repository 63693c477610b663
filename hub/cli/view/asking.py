"""Views asked: who names whom, which contracts there are, what it all adds up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.base.output import as_json, line, note, table
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.cli.view.opened import asked

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder
    from hub.views.measures import Counted, Figure
    from hub.views.table import Held

AsKnownAt = Annotated[
    str | None,
    typer.Option("--as-known-at", metavar="TIME", help="As HQ knew it then: 2026-03-01, or 2026-03-01T08:00:00Z."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(references)
    app.command()(contracts)
    app.command()(figures)


def references(
    ctx: typer.Context,
    stream: Annotated[str, typer.Argument(help="Such as offer.")],
    entity_id: Annotated[str, typer.Argument(metavar="ID", help="Such as uz:K-12.")],
    as_known_at: AsKnownAt = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show whom an entity names, and who names it.

    Examples: hub view references offer uz:K-12 · hub view references partner kz:7 --as-known-at 2026-03-01 --json
    """
    from hub.views.view import entity_of, key_of

    named, naming = run_async(_references(hub_folder(ctx, data_dir), key_of(stream, entity_id), _moment(as_known_at)))
    if json:
        as_json({"names": [_fact(*each) for each in named], "named_by": [_fact(*each) for each in naming]})
        return
    if not named and not naming:
        line("it names nothing, and nothing names it")
    for field, other in named:
        line(f"names     {' '.join(entity_of(other))}  as its {field}")
    for field, other in naming:
        line(f"named by  {' '.join(entity_of(other))}  as its {field}")


def _fact(field: str, other: str) -> dict[str, str]:
    from hub.views.view import entity_of

    stream, entity_id = entity_of(other)
    return {"field": field, "stream": stream, "id": entity_id}


async def _references(
    where: HubFolder, entity: str, at_us: int | None
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    from hub.views.references import REFERENCE, REFERENCES, Reference

    async with asked(where, REFERENCES) as (store, build):
        named = [Reference._make(each.row) for each in await store.holding(build, REFERENCE, "entity", [entity], at_us)]
        naming = await store.holding(build, REFERENCE, "target", [entity], at_us)
        return (
            [(each.field, each.target) for each in named],
            [(Reference._make(each.row).field, each.entity) for each in naming],
        )


def contracts(
    ctx: typer.Context,
    standing: Annotated[
        str | None, typer.Option("--standing", help="One of one_sided, awaited, confirmed, disputed. Default: all.")
    ] = None,
    center: Annotated[str | None, typer.Option("--center", help="Of this center's deals alone.")] = None,
    as_known_at: AsKnownAt = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the network's contracts, each once, with what the other side says of it.

    Examples: hub view contracts · hub view contracts --standing disputed --json ·
    hub view contracts --as-known-at 2026-03-01
    """
    from hub.protocol.errors import UsageError
    from hub.views.deals import STANDINGS

    if standing is not None and standing not in STANDINGS:
        raise UsageError(f"--standing: expected one of {', '.join(STANDINGS)}, came {standing!r}")
    rows = run_async(_contracts(hub_folder(ctx, data_dir), standing, center, _moment(as_known_at)))
    if json:
        as_json(rows)
        return
    table(
        "contracts",
        ["deal", "standing", "status", "amount", "other side", "its deal", "its amount"],
        [
            [
                row["deal"],
                row["standing"],
                row["status"],
                _money(row["amount"], row["currency"]),
                row["counterpart"] or "-",
                row["other_deal"] or "-",
                _money(row["other_amount"], row["other_currency"]),
            ]
            for row in rows
        ],
    )


def _money(amount: str | None, currency: str | None) -> str:
    return "-" if amount is None else f"{amount} {currency}"


async def _contracts(
    where: HubFolder, standing: str | None, center: str | None, at_us: int | None
) -> list[dict[str, Any]]:
    from hub.views.deals import CONTRACTS, DEALS, Contract
    from hub.views.view import derived

    async with asked(where, DEALS) as (store, build):
        if at_us is None:
            rows = [row async for row in store.every(build, CONTRACTS)]
        else:
            facts = {table.name: await store.known_at(build, table, at_us) for table in DEALS.facts}
            rows = list(derived(DEALS, facts)[CONTRACTS.name])
    found = [Contract._make(row) for row in rows]
    return [each._asdict() for each in found if standing in (None, each.standing) and center in (None, each.center)]


def figures(
    ctx: typer.Context,
    measure: Annotated[str | None, typer.Argument(help="Such as revenue. Default: all.", show_default=False)] = None,
    center: Annotated[str | None, typer.Option("--center", help="Of this center alone.")] = None,
    month: Annotated[str | None, typer.Option("--month", help="Of 2026-03, or of the whole year 2026.")] = None,
    entities: Annotated[bool, typer.Option("--entities", help="List what a measure's figures are of.")] = False,
    as_known_at: AsKnownAt = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show what the network has done: counts, people, money, and what counts once, such as enterprises served.

    Money stands in the currency that it was made in. What its center has converted, at a rate with its day, stands
    beside it; what it has not is left as it is.

    Examples: hub view figures · hub view figures revenue --month 2026 --entities ·
    hub view figures --center uz --as-known-at 2026-03-01 --json
    """
    from hub.protocol.errors import UsageError
    from hub.views.measures import Counted, Figure, sums

    if entities and measure is None:
        raise UsageError("--entities lists what one measure's figures are of: name the measure")
    told = run_async(_figures(hub_folder(ctx, data_dir), _moment(as_known_at)))
    chosen = [
        (held.entity, row)
        for held, row in told
        if measure in (None, row.measure) and center in (None, row.center) and row.month.startswith(month or "")
    ]
    if measure is not None and measure not in (known := sorted({row.measure for _, row in told})):
        note(f"nothing is counted as {measure!r} so far; what is: {', '.join(known) or 'nothing'}")
    if entities:
        _list_entities(measure or "", chosen, json=json)
        return
    found = sums([r for _, r in chosen if isinstance(r, Figure)], [r for _, r in chosen if isinstance(r, Counted)])
    if json:
        as_json([each._asdict() for each in found])
        return
    table(
        "figures",
        ["measure", "center", "amount", "currency", "of", "converted", "into"],
        [
            [
                each.measure,
                each.center or "all",
                each.amount,
                each.currency or "-",
                each.entities,
                each.converted or "-",
                each.converted_currency or "-",
            ]
            for each in found
        ],
        right=["amount", "of", "converted"],
    )


def _list_entities(measure: str, chosen: list[tuple[str, Figure | Counted]], *, json: bool) -> None:
    from hub.views.measures import Counted
    from hub.views.view import entity_of

    if json:
        as_json([{"entity": entity, **row._asdict()} for entity, row in chosen])
        return
    rows = []
    for entity, row in sorted(chosen, key=lambda each: (each[1].month, each[0])):
        what = row.thing if isinstance(row, Counted) else f"{row.amount} {row.currency or ''}".strip()
        rows.append([" ".join(entity_of(entity)), row.month or "undated", what])
    table(measure, ["entity", "month", "what"], rows)


async def _figures(where: HubFolder, at_us: int | None) -> list[tuple[Held, Figure | Counted]]:
    from hub.views.measures import COUNTED, FIGURE, MEASURES, Counted, Figure
    from hub.views.table import FOREVER

    async with asked(where, MEASURES) as (store, build):
        moment = FOREVER - 1 if at_us is None else at_us
        figures = [(held, Figure._make(held.row)) for held in await store.known_at(build, FIGURE, moment)]
        return [*figures, *[(held, Counted._make(held.row)) for held in await store.known_at(build, COUNTED, moment)]]


def _moment(text: str | None) -> int | None:
    from hub.cli.replay.subject import moment
    from hub.protocol.moment import to_us

    return None if text is None else to_us(moment(text))
