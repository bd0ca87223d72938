"""Code under attack with one lock less each: what an attacker of that name has to find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from shared.credential.aliro import certificate as certificates
from shared.credential.aliro import holder, keys, proof, reader, step_up_holder
from shared.credential.aliro.documents import examiner, verification
from shared.credential.aliro.documents.messages import DeviceRequest
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.messages import key_slot
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Proven, Reason, Standard, Strength
from shared.credential.p256 import PublicKey
from shared.credential.piv import authorities
from shared.credential.piv import reader as piv_reader
from shared.credential.piv.keys import EccKey
from shared.credential.pkoc import ble_holder, ble_reader, identity, nfc_messages, nfc_reader
from shared.credential.pkoc import cvc as card_certificates
from shared.credential.pkoc import reader_certificate as pkoc_certificates
from shared.credential.tlv import Fields, encode, parse
from tests.shared.credential.pkoc.test_cvc import IIR

Patch: TypeAlias = pytest.MonkeyPatch
Mutant: TypeAlias = Callable[[Patch], None]


def always(*_said: object, **_named: object) -> bool:
    return True


class Gullible(PublicKey):
    """A key under which everything verifies."""

    def verifies(self, signature: bytes, message: bytes) -> bool:
        return True

    @classmethod
    def of(cls, key: PublicKey) -> PublicKey:
        return cls(key.point, key.native)


# Aliro


def device_signature_unchecked(patch: Patch) -> None:
    patch.setattr(reader, "prove_signature", lambda credential, *_: proof._proven(credential))


def own_keys_accepted(patch: Patch) -> None:
    patch.setattr(proof, "_check_foreign", always)


def reader_signature_unchecked(patch: Patch) -> None:
    def key_of(_self: object, _certificate: object, credential: Any) -> PublicKey:
        return Gullible.of(credential.group_key)

    patch.setattr(holder.UserDevice, "_reader_key", key_of)


def certificate_unsigned(patch: Patch) -> None:
    genuine = certificates.ReaderCertificate.check

    def check(self: Any, issuer: PublicKey, *, at: int | None) -> None:
        genuine(self, Gullible.of(issuer), at=at)

    patch.setattr(certificates.ReaderCertificate, "check", check)


def certificate_out_of_date(patch: Patch) -> None:
    genuine = certificates.ReaderCertificate.check

    def check(self: Any, issuer: PublicKey, *, at: int | None) -> None:
        genuine(self, issuer, at=None)

    patch.setattr(certificates.ReaderCertificate, "check", check)


def _transcript_without(patch: Patch, **blank: bytes) -> None:
    """What both ends sign leaves something out."""
    genuine = keys.Transcript._signed
    changes: dict[str, Any] = dict(blank)
    patch.setattr(
        keys.Transcript, "_signed", lambda self, usage: genuine(replace(self, **changes), usage)
    )


def reader_not_bound(patch: Patch) -> None:
    _transcript_without(patch, reader_identifier=bytes(32))


def reader_ephemeral_not_bound(patch: Patch) -> None:
    _transcript_without(patch, reader_ephemeral=bytes(65))


def transaction_not_bound(patch: Patch) -> None:
    _transcript_without(patch, transaction_id=bytes(16))


def one_usage(patch: Patch) -> None:
    """A reader's signature is as good as a device's."""
    patch.setattr(keys, "_BY_DEVICE", keys._BY_READER)


def transaction_id_reused(patch: Patch) -> None:
    genuine = reader.Transaction.__init__

    def made(self: Any, identity: Any, ephemeral: Any, _number: bytes, **more: Any) -> None:
        genuine(self, identity, ephemeral, bytes(16), **more)

    patch.setattr(reader.Transaction, "__init__", made)


def cryptogram_of_any_transaction(patch: Patch) -> None:
    patch.setattr(keys.Transcript, "salt_fast", lambda _self, credential: credential.x)
    patch.setattr(keys.Transcript, "info", property(lambda _: b""))


def cryptogram_of_any_reader_key(patch: Patch) -> None:
    def salt(self: keys.Transcript, word: bytes) -> bytes:
        return self.group_key.x + word + self.reader_identifier + self.proprietary

    patch.setattr(keys.Transcript, "_salt", salt)
    patch.setattr(keys.Transcript, "info", property(lambda _: b""))


def remembered_whatever_the_decision(patch: Patch) -> None:
    genuine = reader.Transaction._settle

    def settle(self: Any, session: Any, _status: object) -> None:
        genuine(self, session, ReaderStatus.UNSECURED)

    patch.setattr(reader.Transaction, "_settle", settle)


def documents_for_anybody(patch: Patch) -> None:
    """A device gives its documents to whoever has sent AUTH0."""

    def answer(self: Any, command: Any) -> Any:
        if command.ins == 0xC3 and self._challenge is not None:
            self.respond(self._challenge.credential, DeviceRequest(()))
        return holder.UserDevice.answer(self, command)

    patch.setattr(step_up_holder.DocumentDevice, "answer", answer)


def documents_of_others(patch: Patch) -> None:
    patch.setattr(verification, "_check_holder", always)


def documents_unsigned(patch: Patch) -> None:
    genuine = verification.verify

    def verify(document: Any, kind: Any, **said: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(PublicKey, "verifies", always)
            return genuine(document, kind, **said)

    patch.setattr(examiner, "verify", verify)


def credential_in_clear(patch: Patch) -> None:
    patch.setattr("shared.credential.aliro.channel.SecureChannel.seal", lambda _self, plain: plain)


def named_before_proof(patch: Patch) -> None:
    """The key slot is in the answer to AUTH0, where nobody has proved anything."""
    genuine = holder.UserDevice._auth0

    def auth0(self: Any, data: bytes) -> bytes:
        answer = genuine(self, data)
        return answer + encode(0x4E, key_slot(self._challenge.credential.key.public))

    patch.setattr(holder.UserDevice, "_auth0", auth0)


# PKOC


def signs_any_length(patch: Patch) -> None:
    def decode(_cls: object, data: bytes) -> Any:
        fields = Fields(parse(data), (0x5C, 0x4C, 0x4D))
        made = object.__new__(nfc_messages.Authenticate)
        object.__setattr__(made, "version", fields.need(0x5C))
        object.__setattr__(made, "transaction_id", fields.need(0x4C))
        return made

    patch.setattr(nfc_messages.Authenticate, "decode", classmethod(decode))


def _prove_with(patch: Patch, parse_key: Callable[[bytes], PublicKey], *, own: bool) -> None:
    def prove(point: bytes, signature: bytes, signed: bytes, **said: Any) -> Proven:
        key = parse_key(point)
        ours = key in said["own_keys"] and not own
        if ours or not key.verifies(signature, signed):
            raise RuleBroken(Reason.BAD_SIGNATURE, "not proven")
        issuer = said.get("issuer")
        return Proven(key.point, Standard.PKOC, said["transport"], said["strength"], issuer)

    patch.setattr(nfc_reader, "prove", prove)
    patch.setattr(ble_reader, "prove", prove)


def pkoc_signature_unchecked(patch: Patch) -> None:
    _prove_with(patch, lambda point: Gullible.of(PublicKey.parse(point)), own=False)


def pkoc_own_keys_accepted(patch: Patch) -> None:
    _prove_with(patch, PublicKey.parse, own=True)


def pkoc_numbers_reused(patch: Patch) -> None:
    """The reader always asks for the same signature, in SE V1 and in SE V2."""
    genuine = nfc_reader._Reader._proven

    def proven(self: Any, point: bytes, signature: bytes, signed: bytes, *more: Any) -> Proven:
        return genuine(self, point, signature, bytes(len(signed)), *more)

    def authenticate(version: bytes, _number: bytes, reader_identifier: bytes) -> Any:
        return nfc_messages.Authenticate(version, bytes(16), reader_identifier)

    patch.setattr(nfc_reader._Reader, "_proven", proven)
    patch.setattr(nfc_reader, "Authenticate", authenticate)
    patch.setattr(
        nfc_reader, "internal_authenticate", lambda _: nfc_messages.internal_authenticate(bytes(32))
    )


def card_certificate_unsigned(patch: Patch) -> None:
    patch.setattr(card_certificates.Certificate, "validate", lambda *_, **__: IIR)


def card_certificate_not_required(patch: Patch) -> None:
    genuine = nfc_reader._Reader.ask

    def ask(self: Any, number: bytes, se_v2: nfc_reader.SeV2 | None) -> Any:
        return genuine(self, number, se_v2 and replace(se_v2, required=False))

    patch.setattr(nfc_reader._Reader, "ask", ask)


def normal_flow_everywhere(patch: Patch) -> None:
    def judge(self: Any, credential: Any) -> Any:
        return self._judge(credential, self._reader.compressed, Strength.ONE_WAY)

    patch.setattr(ble_reader.ReaderSession, "_judge_normal", judge)


def session_goes_on(patch: Patch) -> None:
    """A session that has ended in an outcome takes another message."""
    genuine = ble_reader.ReaderSession._finish

    def finish(self: Any, outcome: Any) -> Any:
        state = self._state
        ended = genuine(self, outcome)
        self._state = state
        return ended

    patch.setattr(ble_reader.ReaderSession, "_finish", finish)


def pkoc_transcript_without_reader(patch: Patch) -> None:
    def signed(site: bytes, location: bytes, device: PublicKey, _reader: PublicKey) -> bytes:
        return site + location + device.x + bytes(32)

    patch.setattr(ble_reader, "transcript", signed)
    patch.setattr(ble_holder, "transcript", signed)


def pkoc_reader_unchecked(patch: Patch) -> None:
    genuine = ble_holder.HolderSession._key_of

    def key_of(self: Any, known: Any, certificate: bytes | None) -> PublicKey:
        return Gullible.of(genuine(self, known, certificate))

    patch.setattr(ble_holder.HolderSession, "_key_of", key_of)


def pkoc_reader_certificate_unsigned(patch: Patch) -> None:
    patch.setattr(pkoc_certificates.ReaderCertificate, "is_signed_by", always)


def pkoc_reader_certificate_unjudged(patch: Patch) -> None:
    """It may be for another reader, and out of date."""
    patch.setattr(pkoc_certificates.ReaderCertificate, "check", always)


def speaks_normal_to_all(patch: Patch) -> None:
    patch.setattr(identity.Keyring, "speaks_normal", always)


# PIV


def piv_signature_unchecked(patch: Patch) -> None:
    patch.setattr(EccKey, "verifies", always)


def piv_nonce_reused(patch: Patch) -> None:
    genuine = piv_reader._dialogue

    def dialogue(message: bytes, *more: Any) -> Any:
        return genuine(message[:-32] + bytes(32), *more)

    patch.setattr(piv_reader, "_dialogue", dialogue)


def piv_certificate_unsigned(patch: Patch) -> None:
    patch.setattr(authorities, "_is_issued_by", always)


ALIRO: tuple[Mutant, ...] = (
    device_signature_unchecked,
    own_keys_accepted,
    reader_signature_unchecked,
    certificate_unsigned,
    certificate_out_of_date,
    reader_not_bound,
    reader_ephemeral_not_bound,
    transaction_not_bound,
    one_usage,
    transaction_id_reused,
    cryptogram_of_any_transaction,
    cryptogram_of_any_reader_key,
    remembered_whatever_the_decision,
    documents_for_anybody,
    documents_of_others,
    documents_unsigned,
    credential_in_clear,
    named_before_proof,
    signs_any_length,
    pkoc_signature_unchecked,
)
OTHERS: tuple[Mutant, ...] = (
    signs_any_length,
    pkoc_signature_unchecked,
    pkoc_own_keys_accepted,
    pkoc_numbers_reused,
    card_certificate_unsigned,
    card_certificate_not_required,
    normal_flow_everywhere,
    session_goes_on,
    pkoc_transcript_without_reader,
    pkoc_reader_unchecked,
    pkoc_reader_certificate_unsigned,
    pkoc_reader_certificate_unjudged,
    speaks_normal_to_all,
    piv_signature_unchecked,
    piv_nonce_reused,
    piv_certificate_unsigned,
)
