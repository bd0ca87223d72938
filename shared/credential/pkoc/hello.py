"""The reader's hello: cut into notifications by the reader, put together by the holder.

    0C 05 protocol | 02 21 R(33, compressed) | 0D 10 location(16) | 0E 10 site(16)      78 bytes

Apps in the field want exactly these four TLVs, and iPhones want them in one notification. Only a
link too narrow for that gets them in several, cut between TLVs, never inside one.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.credential.p256 import COMPRESSED_SIZE, PublicKey
from shared.credential.pkoc.ble_messages import ProtocolId, Tag
from shared.credential.pkoc.identity import ID_SIZE
from shared.credential.tlv import Fields, Lengths, Malformed, Tlv, encode_compact

SIZE = 78
LARGEST_TLV = 2 + COMPRESSED_SIZE


@dataclass(frozen=True, slots=True)
class Hello:
    """What a reader says first, on every connection with a fresh ephemeral key."""

    protocol: ProtocolId
    ephemeral: PublicKey
    location: bytes
    site: bytes

    def encode(self) -> bytes:
        return b"".join(self._tlvs())

    def split(self, room: int) -> tuple[bytes, ...]:
        """The notifications of at most `room` bytes each; `room` is at least `LARGEST_TLV`."""
        pieces = [b""]
        for piece in self._tlvs():
            if len(pieces[-1]) + len(piece) <= room:
                pieces[-1] += piece
            else:
                pieces.append(piece)
        return tuple(pieces)

    def _tlvs(self) -> tuple[bytes, ...]:
        return (
            encode_compact(Tag.PROTOCOL, self.protocol.encode()),
            encode_compact(Tag.READER_EPHEMERAL, self.ephemeral.compressed),
            encode_compact(Tag.LOCATION, self.location),
            encode_compact(Tag.SITE, self.site),
        )

    @classmethod
    def decode(cls, row: tuple[Tlv, ...]) -> Hello:
        """Read the four TLVs among others. Raises `RuleBroken`: malformed, wrong_length, off_curve.

        The ephemeral key must be a point of 33 bytes: a credential key signs it in the normal flow,
        and must not be talked into signing something that means something elsewhere.
        """
        fields = Fields(row, _TAGS)
        return cls(
            ProtocolId.decode(fields.need(Tag.PROTOCOL)),
            PublicKey.parse(fields.exactly(Tag.READER_EPHEMERAL, COMPRESSED_SIZE)),
            fields.exactly(Tag.LOCATION, ID_SIZE),
            fields.exactly(Tag.SITE, ID_SIZE),
        )


_TAGS = frozenset((Tag.PROTOCOL, Tag.READER_EPHEMERAL, Tag.LOCATION, Tag.SITE))


class HelloAssembly:
    """Collects the TLVs of a hello over notifications, until all four are there.

    A `certificate` (10) may come before them or among them; it is not judged here. `lengths` tells
    how it was written, which is how this reader wants long TLVs. A TLV may be repeated but not
    changed.
    """

    # Four TLVs and a certificate, each alone, and as much again for a link that repeats.
    _MAX_ROWS = 10

    def __init__(self) -> None:
        self._found: dict[int, bytes] = {}
        self._rows = 0
        self.lengths = Lengths.ONE_BYTE
        self.certificate: bytes | None = None

    def add(self, lengths: Lengths, row: tuple[Tlv, ...]) -> Hello | None:
        """Take one notification; the hello once it is complete. Raises `RuleBroken`."""
        self._rows += 1
        if self._rows > self._MAX_ROWS:
            raise Malformed("the reader's hello has no end")
        for tag, value in row:
            if tag == Tag.CERTIFICATE:
                self.lengths = lengths
                if self.certificate not in (None, value):
                    raise Malformed("the certificate has changed within one hello")
                self.certificate = value
            if tag in _TAGS and self._found.setdefault(tag, value) != value:
                raise Malformed(f"tag {tag:02X} has changed within one hello")
        if len(self._found) < len(_TAGS):
            return None
        return Hello.decode(tuple(Tlv(tag, value) for tag, value in self._found.items()))
