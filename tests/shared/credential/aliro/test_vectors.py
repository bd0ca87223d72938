"""Every Aliro transcript of the expedited phase, byte for byte, from both ends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from shared.credential.aliro.certificate import ReaderCertificate
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.endings import ControlFlow, ReaderStatus
from shared.credential.aliro.holder import Supplies, UserDevice
from shared.credential.aliro.identity import Certified, ReaderIdentity
from shared.credential.aliro.keys import Transcript as Derivation
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.aliro.mailbox import Mailbox
from shared.credential.aliro.messages import AuthenticationPolicy, key_slot
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.reader import DEFAULT, BySlot, Settings, Transaction
from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.card import Card
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Reason, Refused, Strength
from shared.credential.p256 import PublicKey
from tests.shared.credential.aliro.ends import NOBODY
from tests.shared.credential.aliro.test_keys import transcript_of
from tests.shared.credential.aliro.vectors import NAMES, Transcript

# Bits of the device in the transcripts that follow neither from a mailbox nor from documents.
DEVICE_SIGNALING = (
    Signaling.STEP_UP_MAILBOX | Signaling.STEP_UP_NOTIFY | Signaling.STEP_UP_UPDATE_DOCUMENT
)


@dataclass(frozen=True)
class Case:
    """How both ends are set up for a transcript, and how it ends."""

    outcome: Reason | None = None  # None: proven
    settings: Settings = DEFAULT
    by_slot: bool = False


CASES = {
    "std_1_public_key": Case(),
    "std_2_key_slot": Case(settings=Settings(policy=AuthenticationPolicy.FORCE), by_slot=True),
    "std_4_before_fast_2": Case(settings=Settings(fast=False)),
    "cert_1_load_cert_no_chaining": Case(),
    "cert_4_in_auth1_chaining": Case(settings=Settings(certificate_in_auth1=True)),
    "fast_1": Case(),
    "fast_3_no_kpersistent_falls_back": Case(),
    "neg_1_wrong_device_signature": Case(Reason.BAD_SIGNATURE),
    "neg_2_wrong_cryptogram_abort": Case(Reason.DECRYPTION_FAILED, Settings(fall_back=False)),
    "neg_4_extra_tag_auth0_response": Case(),
    "neg_6_no_common_version": Case(Reason.NO_COMMON_VERSION),
    "neg_8_wrong_reader_key": Case(Reason.CARD_ERROR),
    "neg_10_auth0_before_select": Case(Reason.CARD_ERROR),
}
# Checked in test_keys and below; its AUTH1 response is of an older revision.
OFFICIAL = "official_csa_actuator"

# In these the device is made to do something wrong, which ours cannot be made to do.
DEVICE_MISBEHAVES = {
    "neg_1_wrong_device_signature",
    "neg_2_wrong_cryptogram_abort",
    "neg_4_extra_tag_auth0_response",
}


def test_no_transcript_is_forgotten() -> None:
    assert {*CASES, OFFICIAL} == set(NAMES)


def store_of(vector: Transcript) -> KpersistentStore:
    store = KpersistentStore()
    for entry in reversed(vector.raw["reader_kpersistent_cache_before"]):
        point = PublicKey.parse(bytes.fromhex(entry["credential_public"]))
        store.remember(point, bytes.fromhex(entry["kpersistent"]))
    return store


def identity_of(vector: Transcript) -> ReaderIdentity:
    certified = None
    if vector.has("reader", "certificate_profile0000"):
        compressed = vector.hex("reader", "certificate_profile0000")
        certified = Certified(vector.group_key, ReaderCertificate.decode(compressed))
    # The reader that signs with a key which the credential does not hold signs with this one.
    return ReaderIdentity(
        vector.hex("reader", "group_identifier"),
        vector.hex("reader", "group_sub_identifier"),
        vector.private("reader"),
        certified,
    )


def transaction_of(vector: Transcript, case: Case, store: KpersistentStore) -> Transaction:
    own = vector.public("credential", "public")
    slots: BySlot = {key_slot(own): own}.get
    return Transaction(
        identity_of(vector),
        vector.private("ephemeral", "reader"),
        vector.hex("transaction_identifier"),
        own_keys=NOBODY,
        store=store,
        settings=case.settings,
        by_slot=slots if case.by_slot else None,
    )


class Script:
    """Answers what the transcript answers, and holds the reader to what it says."""

    def __init__(self, vector: Transcript) -> None:
        self._turns = [(apdu["dir"], bytes.fromhex(apdu["hex"])) for apdu in vector.raw["apdus"]]
        if self._turns[0][1][1] != 0xA4:  # the one in which the reader leaves SELECT out
            select = Transcript("std_1_public_key").raw["apdus"][:2]
            self._turns = [
                (each["dir"], bytes.fromhex(each["hex"])) for each in select
            ] + self._turns

    def answer(self, command: bytes) -> bytes | None:
        direction, expected = self._turns.pop(0)
        assert (direction, expected.hex()) == ("C", command.hex())
        if self._turns and self._turns[0][0] == "R":
            return self._turns.pop(0)[1]
        return None

    def run(self, dialogue: Dialogue[Outcome] | Dialogue[None]) -> Outcome | None:
        try:
            command = next(dialogue)
            while True:
                answer = self.answer(command)
                if answer is None:  # nobody answers any more
                    dialogue.close()
                    return None
                command = dialogue.send(answer)
        except StopIteration as end:
            result: Outcome | None = end.value
            return result

    @property
    def is_over(self) -> bool:
        return not self._turns


@pytest.mark.parametrize("name", CASES)
def test_reader(name: str) -> None:
    vector, case = Transcript(name), CASES[name]
    script, store = Script(vector), store_of(vector)
    transaction = transaction_of(vector, case, store)
    outcome = script.run(transaction.authenticate())
    if case.outcome is not None:
        assert outcome == Refused(case.outcome)
    else:
        assert isinstance(outcome, Proven)
        assert outcome.key == vector.hex("credential", "public")
        assert outcome.strength is Strength.MUTUAL
        assert transaction.session.offer.signaling == int(
            vector.raw["derived"]["signaling_bitmap"], 16
        )
    farewell = transaction.conclude(ReaderStatus.UNSECURED)
    assert farewell is not None
    script.run(farewell)
    assert script.is_over
    if vector.has("derived", "Kpersistent") and case.settings.fast:
        credential = vector.public("credential", "public")
        assert next(iter(store)) == (credential, vector.derived("Kpersistent"))


def credential_of(vector: Transcript) -> Credential:
    signed = None
    if vector.has("derived", "credential_signed_timestamp"):
        stamp = vector.derived("credential_signed_timestamp")
        signed = stamp if any(stamp) else None
    group_key = "reader_group_public_key"
    credential = Credential(
        vector.private("credential"),
        vector.hex("reader", "group_identifier"),
        vector.public("credential", group_key),
        Mailbox(bytes(16)),
        DEVICE_SIGNALING,
        access_signed=signed,
    )
    for entry in vector.raw["reader_kpersistent_cache_before"]:
        if bytes.fromhex(entry["credential_public"]) == credential.key.public.point:
            reader = vector.hex("reader", "group_identifier")
            reader += vector.hex("reader", "group_sub_identifier")
            credential.remember(reader, bytes.fromhex(entry["kpersistent"]))
    if vector.name.startswith("fast_3"):
        credential.kpersistents.clear()
    return credential


def device_of(vector: Transcript) -> UserDevice:
    recorded = b"".join(vector.responses()[1:2])[69:-2]
    supplies = Supplies(lambda: vector.private("ephemeral", "device"), lambda size: recorded[:size])
    versions = [bytes.fromhex(each) for each in vector.raw["device_supported_versions"]]
    return UserDevice([credential_of(vector)], supplies, versions=versions)


@pytest.mark.parametrize("name", sorted(set(CASES) - DEVICE_MISBEHAVES))
def test_device(name: str) -> None:
    vector = Transcript(name)
    phone = device_of(vector)
    card = Card([phone])
    turns = [(apdu["dir"], bytes.fromhex(apdu["hex"])) for apdu in vector.raw["apdus"]]
    while turns:
        _, command = turns.pop(0)
        # Without a SELECT the card's edge has nobody to ask: the application itself says 6D00.
        selected = vector.commands()[0][1] == 0xA4
        answer = card.receive(command) if selected else ask(phone, command)
        if turns and turns[0][0] == "R":
            assert answer.hex() == turns.pop(0)[1].hex()
        else:  # nobody answers any more, in the transcript; ours says that it has closed
            assert answer == SW.UNKNOWN_INS.to_bytes(2, "big")
    state = vector.raw["expected"]["device_end_state"]
    if state == "complete:0101":
        assert phone.ended is not None
        assert getattr(phone.ended, "status", None) == ReaderStatus.UNSECURED
    elif state == "control_flow":
        cause = int(vector.raw["expected"]["control_flow"][3:], 16)
        assert phone.ended == ControlFlow(cause)
    elif selected:
        assert phone.ended == Refused(Reason.BAD_SIGNATURE)


def ask(phone: UserDevice, command: bytes) -> bytes:
    return phone.answer(CommandAPDU.decode(command)).encode()


@pytest.mark.parametrize("name", sorted(DEVICE_MISBEHAVES))
def test_device_up_to_where_it_misbehaves(name: str) -> None:
    """The same commands to a device that does not: everything else about it is the same."""
    vector = Transcript(name)
    card = Card([device_of(vector)])
    for command, recorded in zip(vector.commands(), vector.responses(), strict=True):
        answer = card.receive(command)
        if command[1] == 0x80:
            assert answer[:67] == recorded[:67]
        if answer != recorded:
            break
    else:
        raise AssertionError("the device misbehaves nowhere")


def test_the_official_transcript_from_the_reader() -> None:
    """All of it that its older AUTH1 response lets through: its bitmap is one byte short."""
    vector = Transcript(OFFICIAL)
    transaction = transaction_of(vector, Case(), KpersistentStore())
    dialogue = transaction.authenticate()
    select, auth0 = vector.commands()
    assert next(dialogue) == select
    assert dialogue.send(vector.responses()[0]) == auth0
    auth1 = CommandAPDU.decode(dialogue.send(vector.responses()[1]))
    derivation: Derivation = transcript_of(vector)
    signature = auth1.data[5:69]
    assert vector.public("reader", "public").verifies(signature, derivation.signed_by_reader)
    with pytest.raises(StopIteration) as end:
        dialogue.send(vector.responses()[2])
    assert end.value.value == Refused(Reason.WRONG_LENGTH)
    assert transaction.conclude() is not None


def test_the_official_transcript_from_the_device() -> None:
    vector = Transcript(OFFICIAL)
    credential = Credential(
        vector.private("credential"), vector.hex("reader", "group_identifier"), vector.group_key
    )
    supplies = Supplies(lambda: vector.private("ephemeral", "device"), bytes)
    card = Card([UserDevice([credential], supplies)])
    for command, response in zip(vector.commands(), vector.responses()[:2], strict=True):
        assert card.receive(command) == response
    signature = vector.derived("reader_signature")
    auth1 = bytes.fromhex("8081000045 410101 9e40") + signature + b"\0"
    answer = ResponseAPDU.decode(card.receive(auth1))
    assert answer.sw == SW.OK
    # The published ciphertext is the keystream over the same beginning: 5A 41 key | 9E 40.
    assert answer.data[:69] == vector.responses()[2][:69]
