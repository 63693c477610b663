"""Records turned into leaves of their lane's tree, fast: what the last records had in common is worked out once."""

from __future__ import annotations

from hashlib import sha256
from operator import itemgetter
from typing import Any, Final

from hub.protocol.record import CONTROL_HEADER, EPOCH, REQUIRED, SEAL_HEADER, KafkaRecord, canonical, is_signed

_REPEATED: Final = ("ce_dataschema", "ce_epoch", "ce_source", "ce_specversion", "ce_type", "content-type")
_VARYING: Final = ("ce_id", "ce_sequence", "ce_subject", "ce_time")
# An event of a longer story has one of these or both: usual headers, though most events have neither.
LINKS: Final = ("ce_causationid", "ce_correlationid")
_repeated_of: Final = itemgetter(*_REPEATED)
varying_of: Final = itemgetter(*_VARYING)
_COMMONS_MAX: Final = 128  # a center has some twenty types, each alone, first or later in a story, sealed or not
_COMMON_BYTES_MAX: Final = 2048


class Common:
    """What many records of a lane have in common: their header names, and the contents that repeat.

    Two records are alike when they have the same Common: a check of nothing but names and repeated contents need not
    be made for the second. `template` makes the block of signed headers from the lengths and contents that vary: those
    of the `links` (which of LINKS the records have), and four more.
    """

    __slots__ = ("contents", "epoch", "is_event", "is_plain", "is_sealed", "links", "names", "template")

    def __init__(self, names: tuple[str, ...], contents: tuple[bytes, ...]) -> None:
        self.names: Final = names
        self.contents: Final = contents
        epoch = contents[_REPEATED.index("ce_epoch")]
        self.epoch: Final = epoch.decode() if EPOCH.fullmatch(epoch) else None
        self.is_event: Final = CONTROL_HEADER not in names
        unsigned = [name for name in names if not is_signed(name)]
        self.is_plain: Final = not unsigned  # no header but the signed ones
        self.is_sealed: Final = unsigned == [SEAL_HEADER]
        self.links: Final = tuple(name for name in LINKS if name in names)
        known = dict(zip(_REPEATED, contents, strict=True))
        parts = []
        for name in (*self.links, *REQUIRED):
            content = known.get(name)
            prefix = b"%d:%b," % (len(name), name.encode())
            parts.append(
                prefix + b"%d:%b,"
                if content is None
                else (prefix + b"%d:%b," % (len(content), content)).replace(b"%", b"%%")
            )
        self.template: Final = b"".join(parts)


class LeafReader:
    """Turns records into (headers, canonical bytes, digest), remembering what the last records had in common.

    A lane's records nearly always carry the same ten headers, or twelve, six of them with the same contents, so their
    part of the canonical bytes is worked out once. The result is `canonical`'s, byte for byte (a property test holds
    it).
    `common` is the last record's Common, None where its headers are unusual.
    """

    def __init__(self) -> None:
        self.common: Common | None = None
        self._known: dict[tuple[tuple[str, ...], tuple[bytes, ...]], Common] = {}

    def read(self, record: KafkaRecord) -> tuple[dict[str, bytes | None], bytes, bytes]:
        """Return the headers by name, the canonical bytes and the digest (leaf hash) of `record`.

        Where a name is repeated the last value stands in the dictionary, and `repeated` tells.
        """
        headers = dict(record.headers)
        common = self.common
        try:
            contents = _repeated_of(headers)
            # Ten headers, and these ten names among them: their order makes no difference to anybody.
            names = REQUIRED if len(headers) == len(REQUIRED) else tuple(headers)
            if common is None or contents != common.contents or (names is not common.names and names != common.names):
                common = self._common(names, contents)
            if common is not None and len(headers) == len(record.headers):
                event_id, sequence, subject, time = varying_of(headers)
                varying: tuple[Any, ...] = (
                    len(event_id), event_id, len(sequence), sequence, len(subject), subject, len(time), time
                )  # fmt: skip
                for name in reversed(common.links):
                    link: Any = headers[name]
                    varying = (len(link), link, *varying)
                block = common.template % varying
                data = b"%d:%b,%b" % (len(block), block, record.value or b"")
                self.common = common
                return headers, data, sha256(b"\x00" + data).digest()
        except (KeyError, TypeError):  # a header is missing, or null
            pass
        self.common = None
        data = canonical(record.headers, record.value)
        return headers, data, sha256(b"\x00" + data).digest()

    def _common(self, names: tuple[str, ...], contents: tuple[bytes, ...]) -> Common | None:
        found = self._known.get((names, contents))
        if found is None:
            signed = tuple(sorted(name for name in names if is_signed(name) and name not in LINKS))
            if signed != REQUIRED or sum(map(len, contents)) > _COMMON_BYTES_MAX:
                return None
            if len(self._known) >= _COMMONS_MAX:
                self._known.clear()
            found = self._known[names, contents] = Common(names, contents)
        return found
