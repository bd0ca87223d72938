"""Every key of every transcript, and the one that the certification harness itself publishes."""

from __future__ import annotations

from typing import Any

import pytest

from shared.credential.aliro import keys
from shared.credential.aliro.channel import SecureChannel, open_cryptogram, seal_cryptogram
from shared.credential.aliro.keys import Interface, Transcript
from shared.credential.apdu import CommandAPDU
from shared.credential.p256 import PublicKey
from tests.shared.credential.aliro import vectors
from tests.shared.credential.aliro.vectors import NAMES


def deriving(name: str) -> list[str]:
    """The transcripts that derive the key `name`."""
    return [each for each in NAMES if vectors.Transcript(each).has("derived", name)]


STANDARD, FAST = deriving("Kdh"), deriving("CryptogramSK")
SEALED = [
    name
    for name in NAMES
    if vectors.Transcript(name).plains("R") or vectors.Transcript(name).plains("C")
]


def transcript_of(vector: vectors.Transcript) -> Transcript:
    auth0 = next(CommandAPDU.decode(raw) for raw in vector.commands() if raw[1] == 0x80)
    select = vector.responses()[0]
    return Transcript(
        group_key=vector.group_key,
        reader_identifier=vector.hex("reader", "group_identifier")
        + vector.hex("reader", "group_sub_identifier"),
        version=b"\1\0",
        reader_ephemeral=vector.hex("ephemeral", "reader", "public"),
        device_ephemeral=vector.hex("ephemeral", "device", "public"),
        transaction_id=vector.hex("transaction_identifier"),
        parameters=bytes((auth0.data[2], auth0.data[5])),
        proprietary=select[select.index(b"\xa5") : -2],
    )


def credential_of(vector: vectors.Transcript) -> PublicKey:
    return vector.public("credential", "public")


@pytest.mark.parametrize("name", STANDARD)
def test_standard_keys(name: str) -> None:
    vector = vectors.Transcript(name)
    transcript = transcript_of(vector)
    own, peer = (
        vector.private("ephemeral", "reader"),
        vector.public("ephemeral", "device", "public"),
    )
    kdh = keys.kdh(own, peer, transcript.transaction_id)
    assert kdh == vector.derived("Kdh")
    assert kdh == keys.kdh(
        vector.private("ephemeral", "device"), own.public, transcript.transaction_id
    )
    assert transcript.salt_standard == vector.derived("salt_volatile")
    derived = keys.standard_keys(kdh, transcript)
    named = {
        "ExpeditedSKReader": derived.reader,
        "ExpeditedSKDevice": derived.device,
        "StepUpSK": derived.step_up,
        "BleSK": derived.ble,
        "URSK": derived.ranging,
    }
    names = [each for each in named if vector.has("derived", each)]
    for each in names:
        assert named[each] == vector.derived(each), each


@pytest.mark.parametrize("name", deriving("StepUpSKReader"))
def test_step_up_keys(name: str) -> None:
    vector = vectors.Transcript(name)
    derived = keys.step_up_keys(vector.derived("StepUpSK"))
    assert derived.reader == vector.derived("StepUpSKReader")
    assert derived.device == vector.derived("StepUpSKDevice")


@pytest.mark.parametrize("name", deriving("Kpersistent"))
def test_kpersistent(name: str) -> None:
    vector = vectors.Transcript(name)
    transcript, credential = transcript_of(vector), credential_of(vector)
    assert transcript.info == vector.derived("hkdf_info")
    assert transcript.salt_persistent(credential) == vector.derived("salt_persistent")
    derived = keys.kpersistent(vector.derived("Kdh"), transcript, credential)
    assert derived == vector.derived("Kpersistent")


@pytest.mark.parametrize("name", FAST)
def test_fast_keys(name: str) -> None:
    vector = vectors.Transcript(name)
    transcript, credential = transcript_of(vector), credential_of(vector)
    kpersistent = bytes.fromhex(vector.raw["reader_kpersistent_cache_before"][0]["kpersistent"])
    if vector.has("derived", "salt_fast"):
        assert transcript.salt_fast(credential) == vector.derived("salt_fast")
    derived = keys.fast_keys(kpersistent, transcript, credential)
    assert derived.cryptogram == vector.derived("CryptogramSK")
    assert keys.cryptogram_key(kpersistent, transcript, credential) == derived.cryptogram
    assert derived.ble == vector.derived("BleSK") or name == "fast_3_no_kpersistent_falls_back"
    assert len({derived.reader, derived.device, derived.ranging, derived.cryptogram}) == 4


def test_the_fast_transcript_to_the_last_key() -> None:
    vector = vectors.Transcript("fast_1")
    kpersistent = bytes.fromhex(vector.raw["reader_kpersistent_cache_before"][0]["kpersistent"])
    derived = keys.fast_keys(kpersistent, transcript_of(vector), credential_of(vector))
    assert derived.reader == vector.derived("ExpeditedSKReader")
    assert derived.device == vector.derived("ExpeditedSKDevice")
    assert derived.ranging == vector.derived("URSK")
    sealed = vector.responses()[1][67 + 2 : -2]
    plain = vector.derived("cryptogram_plain")
    assert open_cryptogram(derived.cryptogram, sealed) == plain
    assert seal_cryptogram(derived.cryptogram, plain) == sealed


@pytest.mark.parametrize("name", STANDARD)
def test_signed_bytes(name: str) -> None:
    vector = vectors.Transcript(name)
    transcript = transcript_of(vector)
    assert transcript.signed_by_reader == vector.derived("reader_signature_input")
    assert len(transcript.signed_by_reader) == 126
    if vector.has("derived", "device_signature_input"):
        assert transcript.signed_by_device == vector.derived("device_signature_input")


def test_what_the_harness_publishes() -> None:
    """Its reader signature was random, so it is verified and not made again."""
    vector = vectors.Transcript("official_csa_actuator")
    transcript, credential = transcript_of(vector), credential_of(vector)
    reader, signed = vector.public("reader", "public"), transcript.signed_by_reader
    assert reader.verifies(vector.derived("reader_signature"), signed)
    assert credential.verifies(vector.derived("device_signature"), transcript.signed_by_device)
    channel = SecureChannel.of_reader(
        vector.derived("ExpeditedSKReader"), vector.derived("ExpeditedSKDevice")
    )
    plain = channel.open(vector.responses()[2][:-2])
    assert vector.derived("device_signature") in plain
    assert credential.point in plain


@pytest.mark.parametrize("name", SEALED)
def test_every_message_of_the_channel(name: str) -> None:
    """Both directions, both ends. A fast transaction that fell back ran on the standard keys."""
    vector = vectors.Transcript(name)
    pair = _channel_keys(vector)
    reader, device = SecureChannel.of_reader(*pair), SecureChannel.of_device(*pair)
    for _, raw, plain in vector.plains("C"):
        assert reader.seal(plain) == CommandAPDU.decode(raw).data
        assert device.open(CommandAPDU.decode(raw).data) == plain
    for _, raw, plain in vector.plains("R"):
        assert device.seal(plain) == raw[:-2]
        assert reader.open(raw[:-2]) == plain


def _channel_keys(vector: vectors.Transcript) -> tuple[bytes, bytes]:
    if not vector.has("derived", "Kdh"):
        return vector.derived("ExpeditedSKReader"), vector.derived("ExpeditedSKDevice")
    derived = keys.standard_keys(vector.derived("Kdh"), transcript_of(vector))
    return derived.reader, derived.device


def test_the_interface_and_vendor_data_change_every_key() -> None:
    vector = vectors.Transcript("std_1_public_key")
    plain = transcript_of(vector)
    changes: list[dict[str, Any]] = [
        {"interface": Interface.BLE},
        {"vendor_command": b"\xb1\x01x"},
        {"vendor_response": b"\xb2\x01x"},
        {"version": b"\0\x09"},
        {"parameters": b"\1\1"},
        {"proprietary": b"\xa5\0"},
    ]
    found = {keys.standard_keys(bytes(32), plain).reader}
    for change in changes:
        fields = {name: getattr(plain, name) for name in Transcript.__slots__} | change
        found.add(keys.standard_keys(bytes(32), Transcript(**fields)).reader)
    assert len(found) == 1 + len(changes)


def test_no_key_shows() -> None:
    transcript = transcript_of(vectors.Transcript("std_1_public_key"))
    derived = keys.standard_keys(bytes(32), transcript)
    for each in (transcript, derived, keys.step_up_keys(derived.step_up)):
        assert repr(each).startswith("<")
