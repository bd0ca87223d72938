"""PIV cards of ours before Yubico's own `yubikit`: both ask the same, and both are answered."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from shared.credential.apdu import CommandAPDU, ResponseAPDU
from shared.credential.exchange import exchange
from shared.credential.piv.holder import CardPrivateKey
from shared.credential.piv.keys import card_key
from shared.credential.piv.messages import (
    CARD_AUTHENTICATION,
    SELECT,
    general_authenticate,
    get_data,
)
from tests.oracle import environment
from tests.shared.credential.piv.cards import ECC, ROOT, card, native, rsa_key

pytestmark = pytest.mark.slow

MESSAGE = b"whatever is to be signed"

# Commands out and responses in, a line of hex each; in the end, what it has made of the card.
ORACLE = """
import json, sys
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA256
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import SmartCardConnection
from yubikit.piv import KEY_TYPE, SLOT, PivSession

class Lines(SmartCardConnection):
    transport = TRANSPORT.NFC
    def close(self):
        pass
    def send_and_receive(self, apdu):
        print(bytes(apdu).hex(), flush=True)
        answer = bytes.fromhex(sys.stdin.readline())
        return answer[:-2], int.from_bytes(answer[-2:], "big")

message = bytes.fromhex(sys.argv[1])
session = PivSession(Lines())
certificate = session.get_certificate(SLOT.CARD_AUTH)
public = certificate.public_key()
if isinstance(public, ec.EllipticCurvePublicKey):
    scheme, kind = [ec.ECDSA(SHA256())], KEY_TYPE.ECCP256
    signature = session.sign(SLOT.CARD_AUTH, kind, message, SHA256())
else:
    scheme, kind = [padding.PKCS1v15(), SHA256()], KEY_TYPE.RSA2048
    signature = session.sign(SLOT.CARD_AUTH, kind, message, SHA256(), padding.PKCS1v15())
public.verify(signature, message, *scheme)
print(json.dumps(certificate.serial_number))
"""
# Only Yubico's keys know it: version 5.0.0, which asks for nothing else of its own.
_VERSION, _ANSWER = "00fd0000", "0500009000"


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has `yubikit`."""
    folder = tmp_path_factory.mktemp("yubikit")
    return environment(folder, "cryptography", alone=("yubikey-manager>=5,<6",))


def serve(python: Path, holder: CardPrivateKey, *, compressed: bool) -> list[CommandAPDU]:
    """Be a card to `yubikit` until it is content; what it has asked."""
    one = card(ROOT.issue(native(holder), serial=4711), holder, compressed=compressed)
    asked: list[CommandAPDU] = []
    with subprocess.Popen(
        [python, "-c", ORACLE, MESSAGE.hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        said = ""
        for line in process.stdout:
            said = line.strip()
            if not said.startswith(("00", "10")):
                break
            if said.startswith(_VERSION):
                answer = _ANSWER
            else:
                asked.append(CommandAPDU.decode(bytes.fromhex(said)))
                answer = one.receive(bytes.fromhex(said)).hex()
            process.stdin.write(answer + "\n")
            process.stdin.flush()
        process.stdin.close()
        trouble = process.stderr.read()
    assert process.returncode == 0, trouble
    assert json.loads(said) == 4711
    return asked


def ours(command: CommandAPDU) -> list[CommandAPDU]:
    """The commands that our reader sends for `command`, to a card that takes each."""
    dialogue, sent = exchange(command), []
    try:
        sent.append(CommandAPDU.decode(next(dialogue)))
        while True:
            answer = ResponseAPDU(b"", 0x9000).encode()
            sent.append(CommandAPDU.decode(dialogue.send(answer)))
    except StopIteration:
        return sent


def said(command: CommandAPDU) -> tuple[bytes, bytes]:
    return command.header, command.data


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["P-256", "RSA 2048"])
def test_both_ask_the_same_and_are_answered(oracle: Path, kind: str, *, compressed: bool) -> None:
    holder: CardPrivateKey = ECC if kind == "P-256" else rsa_key()
    select, *asked = serve(oracle, holder, compressed=compressed)
    assert SELECT.data.startswith(select.data)  # a part of the name is enough for both
    key = card_key(native(holder).public_key())
    signing = general_authenticate(key.algorithm, key.challenge(MESSAGE))
    expected = [*ours(get_data(CARD_AUTHENTICATION)), *ours(signing)]
    pieces = {0xC0}  # GET RESPONSE
    assert [said(each) for each in asked if each.ins not in pieces] == list(map(said, expected))
