"""Both ends of PKOC, made up for tests, and short ways to look at what they say."""

from __future__ import annotations

from typing import TypeVar

from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.p256 import OwnKeys, PrivateKey
from shared.credential.pkoc import ble_holder, ble_reader, nfc_reader
from shared.credential.pkoc.identity import Keyring, KnownReader, ReaderIdentity
from shared.credential.session import Finished, Send
from shared.credential.tag import TagSession
from tests.shared.credential.keys import LOCATION, SITE, key

ALICE = key("alice")
READER = ReaderIdentity(SITE, LOCATION, key("reader"))
KNOWN = KnownReader(SITE, LOCATION, READER.key.public)
NOBODY = OwnKeys(())
TRANSACTION = bytes(range(16))

Ending = TypeVar("Ending")


def ble_reader_session(
    *, normal: bool = False, ephemeral: PrivateKey | None = None, own_keys: OwnKeys = NOBODY
) -> ble_reader.ReaderSession:
    return ble_reader.ReaderSession(
        READER,
        ephemeral or key("reader ephemeral"),
        own_keys=own_keys,
        policy=ble_reader.Policy(allow_normal=normal),
        now=0.0,
    )


def ble_holder_session(
    keyring: Keyring | None = None,
    *,
    credential: PrivateKey = ALICE,
    ephemeral: PrivateKey | None = None,
) -> ble_holder.HolderSession:
    return ble_holder.HolderSession(
        credential,
        ephemeral or key("device ephemeral"),
        Keyring([KNOWN]) if keyring is None else keyring,
        last_update=1_700_000_000,
        now=0.0,
    )


def nfc_reader_session(
    transaction_id: bytes = TRANSACTION, own_keys: OwnKeys = NOBODY
) -> TagSession:
    return TagSession(nfc_reader.dialogue(READER, transaction_id, own_keys=own_keys), now=0.0)


def greeting(session: ble_reader.ReaderSession, mtu: int = 247) -> bytes:
    """The hello in one piece."""
    pieces = session.hello(mtu)
    assert isinstance(pieces, tuple)
    assert len(pieces) == 1
    return pieces[0]


def sent(step: Send | Finished[Ending] | None) -> bytes:
    """The message that a session wants sent."""
    assert isinstance(step, Send), step
    return step.message


def finished(step: Send | Finished[Ending] | tuple[bytes, ...] | None) -> Ending:
    """The outcome of a session that has just ended."""
    assert isinstance(step, Finished), step
    ending: Ending = step.outcome
    return ending


def refused(step: Send | Finished[Outcome] | tuple[bytes, ...] | None) -> Reason:
    """The reason of a refusal, which must say something for the log."""
    outcome = finished(step)
    assert isinstance(outcome, Refused), outcome
    assert outcome.detail
    return outcome.reason


def holder_refused(step: ble_holder.Step) -> Reason:
    ending = finished(step)
    assert isinstance(ending, Refused), ending
    assert ending.detail
    return ending.reason


def proven(step: Send | Finished[Outcome] | None) -> Proven:
    outcome = finished(step)
    assert isinstance(outcome, Proven), outcome
    return outcome
