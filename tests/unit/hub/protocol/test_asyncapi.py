"""The AsyncAPI document is made from the schemas, and leads to every one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

import schemas
from hub.domain.catalogue import KINDS
from hub.protocol.record import REQUIRED
from schemas.asyncapi import HEADERS, TARGET, document, text_of


def references(node: Any) -> Iterator[str]:
    """Yield every `$ref` in the document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_committed_document_is_the_generated_one() -> None:
    """A new stream shows up here by itself."""
    assert TARGET.read_text("utf-8") == text_of(schemas.paths()), "run `python -m schemas.asyncapi`"


def test_every_reference_leads_somewhere() -> None:
    """No channel names a message that is not there, no message a schema that is not there."""
    whole = document(schemas.paths())
    for reference in references(whole):
        if reference.startswith("./"):
            assert reference[2:] in schemas.paths()
            continue
        node: Any = whole
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]


def test_every_schema_has_a_message() -> None:
    """Whatever is released can be met on a topic, and the document says where."""
    found = {r[2:] for r in references(document(schemas.paths())) if r.startswith("./")}
    assert found == set(schemas.paths())


def test_centers_are_not_told_to_write_what_only_hq_writes() -> None:
    """The channel in.{center} lists the events of centers."""
    incoming = document(schemas.paths())["channels"]["in"]["messages"]
    assert "net_cohub_lane_opened_v1" in incoming
    assert "net_cohub_offer_published_v1" in incoming
    assert "net_cohub_center_registered_v1" not in incoming
    assert len(document(schemas.paths())["channels"]["events"]["messages"]) == len(KINDS)


def test_headers_are_those_of_the_protocol() -> None:
    """Every required header is described."""
    assert set(REQUIRED) <= set(HEADERS)
    assert yaml.safe_load(TARGET.read_text("utf-8"))["asyncapi"] == "3.0.0"
