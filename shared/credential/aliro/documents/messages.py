"""What reader and device say of documents, and how it travels in ENVELOPE.

    session data   53 L  {"data": sealed}, or {"status": n}; some devices send it sealed and bare
    request        {"1": "1.0", "2": [{"1": 24(<< wanted >>)}...]}
    wanted         {"1": {type: {element id: retain...}}, "5": type}
    response       {"1": "1.0", "2": [document...], "3": status}          status 0 is success
    document       {"1": {"1": {type: [item...]}, "2": issuer auth}, "5": type}
    item           24(<< {"1": digest id, "2": random, "3": element id, "4": value} >>)
    issuer auth    [<< {1: -7} >>, {4: key id(8), 33: certificate}, << 24(<< mso >>) >>, r | s(64)]

`<< x >>` is x as CBOR in a byte string. What an issuer signs is in `security`. Keys that we do not
know are ignored in what a device says itself; what is signed is read there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from cbor2 import CBORTag

from shared.credential.aliro.documents.encoding import (
    EMBEDDED,
    MAX_SIZE,
    array,
    decode,
    embed,
    embedded,
    encode,
    flag,
    mapping,
    member,
    octets,
    text,
    uint,
)
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import SIGNATURE_SIZE
from shared.credential.tlv import Limits, Malformed, parse
from shared.credential.tlv import encode as encode_tlv

VERSION = "1.0"
KEY_ID_SIZE = 8
MAX_CERTIFICATE = 2048
# ISO 18013-5 asks for sixteen: nobody must find out a value by trying values against its digest.
RANDOM_SIZES = range(16, 65)
MAX_DOCUMENTS = 4
PROTECTED = bytes.fromhex("A1 01 26")  # {1: -7}: ES256

_SESSION_DATA = 0x53
_LIMITS = Limits(size=MAX_SIZE, count=1, depth=1)
_KEY_ID, _CERTIFICATE = 4, 33


class DocumentType(enum.Enum):
    """Also the name space of its elements."""

    ACCESS = "aliro-a"
    REVOCATION = "aliro-r"


_TYPES = {each.value: each for each in DocumentType}


def wrap(sealed: bytes) -> bytes:
    """The data of ENVELOPE, or of its response."""
    return encode_tlv(_SESSION_DATA, encode({"data": sealed}))


def unwrap(data: bytes) -> bytes:
    """What was sealed. Raises `RuleBroken`: malformed, or card_error for a status instead."""
    row = parse(data, _LIMITS)
    if [tag for tag, _ in row] != [_SESSION_DATA]:
        raise Malformed("something else than session data")
    inside = row[0].value
    try:
        said = mapping(decode(inside))
    except Malformed:
        return inside
    if "data" not in said:
        raise RuleBroken(Reason.CARD_ERROR, "the device has sent a status for its documents")
    return octets(said["data"], range(MAX_SIZE))


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Which elements of which documents are wanted; none is retained."""

    wanted: tuple[tuple[DocumentType, tuple[str, ...]], ...]

    def encode(self) -> bytes:
        items = (
            {"1": {kind.value: dict.fromkeys(elements, False)}, "5": kind.value}
            for kind, elements in self.wanted
        )
        return encode({"1": VERSION, "2": [{"1": embed(item)} for item in items]})

    @classmethod
    def decode(cls, data: bytes) -> DeviceRequest:
        """Raises `Malformed`. Types of documents that we do not know are left out."""
        request = decode(data)
        _check_version(request)
        wanted = []
        for each in array(member(request, "2")):
            item = decode(embedded(member(each, "1")))
            kind = text(member(item, "5"))
            elements = mapping(member(member(item, "1"), kind))
            for element, retain in elements.items():
                text(element), flag(retain)
            if kind in _TYPES:
                wanted.append((_TYPES[kind], tuple(elements)))
        return cls(tuple(wanted))


@dataclass(frozen=True, slots=True)
class Item:
    """One element, as its issuer has signed it. `encoded` is what its digest covers."""

    digest_id: int
    random: bytes = field(repr=False)
    element: str
    value: Any = field(repr=False)

    @property
    def encoded(self) -> bytes:
        return encode(self.tagged)

    @property
    def tagged(self) -> CBORTag:
        said = {"1": self.digest_id, "2": self.random, "3": self.element, "4": self.value}
        return embed(said)


@dataclass(frozen=True, slots=True)
class SignedItem:
    """An element that came in: its name space, its content, and its bytes for the digest."""

    space: str
    item: Item
    encoded: bytes = field(repr=False)

    @classmethod
    def read(cls, space: str, value: Any) -> SignedItem:
        """Raises `Malformed`."""
        inside = embedded(value)
        said = decode(inside)
        item = Item(
            uint(member(said, "1")),
            octets(member(said, "2"), RANDOM_SIZES),
            text(member(said, "3")),
            member(said, "4"),
        )
        return cls(space, item, encode(CBORTag(EMBEDDED, inside)))


@dataclass(frozen=True, slots=True)
class IssuerAuth:
    """COSE_Sign1 around what the issuer says; by whom, by key id or certificate or both."""

    key_id: bytes | None
    certificate: bytes | None = field(repr=False)  # DER
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def covered(self) -> bytes:
        return encode(["Signature1", PROTECTED, b"", self.payload])

    @property
    def plain(self) -> list[Any]:
        headers: dict[int, bytes] = {}
        if self.key_id is not None:
            headers[_KEY_ID] = self.key_id
        if self.certificate is not None:
            headers[_CERTIFICATE] = self.certificate
        return [PROTECTED, headers, self.payload, self.signature]

    @classmethod
    def read(cls, value: Any) -> IssuerAuth:
        """Raises `Malformed`. Other headers than these two have to be none that are critical."""
        match array(value):
            case [protected, headers, payload, signature] if protected == PROTECTED:
                pass
            case _:
                raise Malformed("something else than COSE_Sign1 by ES256")
        found = mapping(headers)
        if found.keys() & {1, 2}:
            raise Malformed("a header that has to be protected, or a critical one")
        key_id, certificate = found.get(_KEY_ID), found.get(_CERTIFICATE)
        return cls(
            None if key_id is None else octets(key_id, (KEY_ID_SIZE,)),
            None if certificate is None else octets(certificate, range(1, MAX_CERTIFICATE + 1)),
            octets(payload, range(MAX_SIZE)),
            octets(signature, (SIGNATURE_SIZE,)),
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it travels: nobody has checked it before `verification`."""

    kind: str
    items: tuple[SignedItem, ...] = field(repr=False)
    issuer_auth: IssuerAuth

    def only(self, elements: tuple[str, ...]) -> Document:
        """The same document with no more than these elements in it."""
        kept = tuple(each for each in self.items if each.item.element in elements)
        return Document(self.kind, kept, self.issuer_auth)

    @property
    def plain(self) -> dict[str, Any]:
        spaces: dict[str, list[Any]] = {}
        for each in self.items:
            spaces.setdefault(each.space, []).append(decode(each.encoded))
        signed: dict[str, Any] = {"1": spaces} if spaces else {}
        return {"1": signed | {"2": self.issuer_auth.plain}, "5": self.kind}

    def encode(self) -> bytes:
        return encode(self.plain)

    @classmethod
    def decode(cls, data: bytes) -> Document:
        """Raises `Malformed`."""
        return cls.read(decode(data))

    @classmethod
    def read(cls, value: Any) -> Document:
        """Raises `Malformed`."""
        kind, signed = text(member(value, "5")), member(value, "1")
        items = tuple(
            SignedItem.read(text(space), each)
            for space, row in mapping(mapping(signed).get("1", {})).items()
            for each in array(row)
        )
        if len({(each.space, each.item.element) for each in items}) != len(items):
            raise Malformed("an element that comes twice")
        return cls(kind, items, IssuerAuth.read(member(signed, "2")))


@dataclass(frozen=True, slots=True)
class DeviceResponse:
    """The documents that a device has sent, and its status."""

    documents: tuple[Document, ...]
    status: int = 0

    def encode(self) -> bytes:
        documents = [each.plain for each in self.documents]
        body: dict[str, Any] = {"1": VERSION} | ({"2": documents} if documents else {})
        return encode(body | {"3": self.status})

    @classmethod
    def decode(cls, data: bytes) -> DeviceResponse:
        """Raises `Malformed`."""
        response = decode(data)
        _check_version(response)
        documents = array(response.get("2", []))
        if len(documents) > MAX_DOCUMENTS:
            raise Malformed("more documents than there are types of documents")
        read = tuple(Document.read(each) for each in documents)
        return cls(read, uint(member(response, "3")))


def _check_version(message: Any) -> None:
    if member(message, "1") != VERSION:
        raise Malformed("a message about documents of another version than 1.0")
