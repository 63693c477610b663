"""`python -m schemas.spec`: fill the generated parts of PROTOCOL.md, such as verdicts, events, limits, the example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.domain.catalogue import KINDS, STREAMS
from hub.protocol.problem import PROBLEMS
from hub.protocol.record import canonical
from hub.protocol.tree import leaf_hash
from hub.protocol.verdict import Code
from schemas.limits import limits
from schemas.vectors.keys import RECEIPTS, SEAL
from schemas.vectors.make import text_of
from schemas.vectors.records import LANE_SCHEMA, opened_headers, schema_of
from schemas.words import verdict_text

TARGET: Final = Path(__file__).with_name("PROTOCOL.md")
_PART: Final = re.compile(r"<!-- (\w+): generated -->\n.*?<!-- end -->\n", re.DOTALL)
_WIDTH: Final = 64


def verdicts() -> str:
    """Return the closed list of verdicts as a table."""
    rows = ["| code | en | zh | ru |", "|---|---|---|---|"]
    rows += [
        f"| `{code}` | {verdict_text(code, 'en')} | {verdict_text(code, 'zh')} | {verdict_text(code, 'ru')} |"
        for code in Code
    ]
    return "\n".join(rows)


def events() -> str:
    """Return every kind of event with its schema, its writer and its legal transitions."""
    rows = ["| event (`net.cohub.…`) | written by | record | from | to |", "|---|---|---|---|---|"]
    for kind in KINDS.values():
        before = ", ".join(sorted((status or "–") for status in kind.legal_in))
        link = f"[`{kind.type.removeprefix('net.cohub.')}`]({kind.schema_path})"
        carries = "whole" if kind.carries_record else "no"
        rows.append(
            f"| {link} | {STREAMS[kind.stream].writer} | {carries} | {before} | {kind.status_after or 'same'} |"
        )
    return "\n".join(rows)


def example() -> str:
    """Return the first event of a lane, from its bytes to its receipt, as the vectors have them."""
    framing, seals, receipts = (_good(name)[0] for name in ("framing", "seals", "receipts"))
    value = bytes.fromhex(framing["value"])
    headers = opened_headers()
    data = canonical(headers, value)
    block = data[: -len(value)]
    schema = schema_of(LANE_SCHEMA)
    lines = [
        "Center `uz` of `hub.example` opens lane `0a1b2c3d`. Its seal key and HQ's receipts key (both test keys):",
        "",
        *_indented(SEAL.verifier.to_text(), RECEIPTS.verifier.to_text()),
        "",
        f"`{LANE_SCHEMA}` has the SHA-256",
        "",
        *_indented(schema.sha256),
        "",
        f"so its id is `{schema.sha256[:8]}` with the top bit cleared, `{schema.id:08x}` ({schema.id}). The value:",
        "",
        *_indented(*_value_lines(value)),
        "",
        "The headers, sorted by name:",
        "",
        *_indented(*(f"{name}: {(content or b'').decode()}" for name, content in headers)),
        "",
        f"Canonical bytes, {len(data)} of them: this text (one line, broken here), then the value.",
        "",
        *_indented(*_wrapped(block.decode())),
        "",
        "The digest, SHA-256(`00` ‖ canonical), which is also the root of the lane of size 1:",
        "",
        *_indented(leaf_hash(data).hex()),
        "",
        "The seal, the record's header `cohub-seal` if the batch ends here:",
        "",
        *_indented(*seals["text"].splitlines()),
        "",
        "And HQ's receipt on `out.uz`:",
        "",
        *_indented(*receipts["text"].splitlines()),
    ]
    return "\n".join(line.rstrip() for line in lines)


def problems() -> str:
    """Return the closed list of refusals over HTTPS as a table."""
    rows = ["| status | code | what it is | with | what to do |", "|---|---|---|---|---|"]
    for kind in PROBLEMS.values():
        names = ", ".join(f"`{name}`" for name in kind.names)
        rows.append(f"| {kind.status} | `{kind.code}` | {kind.title} | {names} | {kind.remedy} |")
    return "\n".join(rows)


def filled(text: str) -> str:
    """Return the text of PROTOCOL.md with its generated parts made again."""
    parts = {"verdicts": verdicts, "events": events, "limits": limits, "example": example, "problems": problems}

    def fill(found: re.Match[str]) -> str:
        return f"<!-- {found[1]}: generated -->\n{parts[found[1]]()}\n<!-- end -->\n"

    return _PART.sub(fill, text)


def _good(name: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(text_of(name))["good"]
    return rows


def _value_lines(value: bytes) -> Iterator[str]:
    """Yield the value's bytes by field; the reader of the test sees that they are all of them."""
    origin = 6 + value[5] // 2
    pieces = (
        (value[:1], "framing"),
        (value[1:5], "schema id"),
        (value[5:6], "origin: length 23, zigzag"),
        (value[6:origin], value[6:origin].decode()),
        (value[origin : origin + 1], "previous_origin: branch 0, null"),
        (value[origin + 1 : origin + 2], "previous_size: 0"),
        (value[origin + 2 : origin + 3], "previous_root: branch 0, null"),
        (value[origin + 3 : origin + 5], "reason: branch 1, string; length 11"),
        (value[origin + 5 :], value[origin + 5 :].decode()),
    )
    for piece, meaning in pieces:
        yield f"{piece.hex():<{_WIDTH - 16}}{meaning}"


def _wrapped(text: str) -> Iterator[str]:
    for at in range(0, len(text), _WIDTH):
        yield text[at : at + _WIDTH]


def _indented(*lines: str) -> list[str]:
    return [f"    {line}" for line in lines]


if __name__ == "__main__":
    TARGET.write_text(filled(TARGET.read_text("utf-8")), encoding="utf-8", newline="\n")
