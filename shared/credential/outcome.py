"""How a transaction ends at the reader: a proven key (or a mere number), or a refusal and why.

Every standard and every transport ends in this one type, so that the reader decides in one place.
The values of the enumerations are stable: they go into events and may be stored.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias


class Standard(enum.Enum):
    """What the holder spoke."""

    PKOC = "pkoc"
    ALIRO = "aliro"
    PIV = "piv"
    CARD_NUMBER = "card-number"  # of a card that proves nothing


class Transport(enum.Enum):
    """What carried it."""

    BLE = "ble"
    NFC = "nfc"
    WIRE = "wire"  # D0 and D1 of a Wiegand reader


class Strength(enum.Enum):
    """What exactly has been proven. None of them rules out a relay."""

    MUTUAL = "mutual"  # the reader proved itself first; the key travelled encrypted
    ONE_WAY = "one_way"  # a fresh challenge was signed, but any reader could have asked for it
    CLONEABLE = "cloneable"  # nothing was proven: a number was read that any device can send


class Reason(enum.Enum):
    """Why a transaction was refused, by either end."""

    MALFORMED = "malformed"  # bytes that are no message of the standard
    WRONG_LENGTH = "wrong_length"  # a field of another length than the standard gives it
    OFF_CURVE = "off_curve"  # a public key that is no point of P-256
    OWN_KEY = "own_key"  # one of our own keys, reflected at us
    BAD_SIGNATURE = "bad_signature"
    DECRYPTION_FAILED = "decryption_failed"
    FLOW_NOT_ALLOWED = "flow_not_allowed"  # a weaker flow than this door, or this session, accepts
    OUT_OF_ORDER = "out_of_order"  # a message that has no place here
    NOT_THIS_STANDARD = "not_this_standard"  # the card does not know the application: try another
    UNAVAILABLE = "unavailable"  # it does, and does not serve or has nothing in it: try another
    CARD_ERROR = "card_error"  # the card knows the application and answered with an error
    MTU_TOO_SMALL = "mtu_too_small"  # the link cannot carry the standard's messages
    TIMEOUT = "timeout"
    LINK_LOST = "link_lost"  # the phone or card went away before the end
    UNKNOWN_READER = "unknown_reader"  # the holder has no key for the reader that greets it
    TURNED_AWAY = "turned_away"  # the reader ended before the holder had shown a credential
    NO_COMMON_VERSION = "no_common_version"
    UNKNOWN_ISSUER = "unknown_issuer"  # nobody whom this door trusts has signed the certificate
    BAD_CERTIFICATE = "bad_certificate"  # its signature, its form, or what it is for
    CERTIFICATE_EXPIRED = "certificate_expired"  # outside its dates, on either side
    CERTIFICATE_REVOKED = "certificate_revoked"
    REVOCATION_UNKNOWN = "revocation_unknown"  # a current revocation list is wanted
    NO_CLOCK = "no_clock"  # dates had to be checked, and the time is not trusted
    UNKNOWN_KEY = "unknown_key"  # a short name for a key that stands for none here
    NO_DOCUMENT = "no_document"  # the device has no document of the kind that is needed
    WRONG_DOCUMENT = "wrong_document"  # of another type or form than was asked for
    DIGEST_MISMATCH = "digest_mismatch"  # an element is not the one that the issuer signed
    OTHER_HOLDER = (
        "other_holder"  # a document of another credential than the one that proved itself
    )
    DOCUMENT_EXPIRED = "document_expired"
    DOCUMENT_NOT_YET_VALID = "document_not_yet_valid"
    DOCUMENT_TOO_OLD = (
        "document_too_old"  # valid still, but signed longer ago than this site trusts
    )
    DOCUMENT_SUPERSEDED = "document_superseded"  # its issuer has gone far beyond it
    NO_DATA_ELEMENT = "no_data_element"  # the document lacks what this door looks for
    BAD_DATA_ELEMENT = "bad_data_element"  # its version, or a rule that contradicts itself
    UNKNOWN_EXTENSION = "unknown_extension"  # a critical one, which this door cannot honour
    UNKNOWN_READER_RULE = "unknown_reader_rule"
    NO_ACCESS_RULE = "no_access_rule"  # the document does not allow what the door would do
    OUTSIDE_SCHEDULE = "outside_schedule"  # it does, but not now
    CREDENTIAL_REVOKED = "credential_revoked"


@dataclass(frozen=True, slots=True)
class Proven:
    """Somebody who holds the private key of `key` answered this very session.

    Unless `strength` is cloneable: then it is a number that a card has shown. Whether that key may
    enter is for the caller to decide, by the whole key. It is a lifelong identifier of a person's
    phone or card, and stays out of the representation.
    """

    key: bytes = field(repr=False)  # see `shared.credential.identifier`
    standard: Standard
    transport: Transport
    strength: Strength
    issuer: str | None = None  # who vouches for the key, checked: an issuer's name or key id


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was proven. `detail` is one line for the log: our words, no secrets, no peer text."""

    reason: Reason
    detail: str = field(default="", compare=False)


Outcome: TypeAlias = Proven | Refused
