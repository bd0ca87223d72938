"""COSE both ways against the library `cwt`, in an environment of its own (it pins an old cbor2)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import cbor2
import pytest

from shared.credential.aliro.documents.issue import issue
from shared.credential.aliro.documents.issuers import key_id
from shared.credential.aliro.documents.messages import DocumentType, IssuerAuth
from shared.credential.aliro.documents.security import Validity
from shared.credential.p256 import PrivateKey
from shared.wire import cose
from tests.oracle import environment
from tests.shared.credential.keys import key

pytestmark = pytest.mark.slow

WANTED = "cwt>=3,<4"
SIGNER, STRANGER = key("signer"), key("stranger")
KID = cose.key_id(SIGNER.public)
SECRET = hashlib.sha256(b"pairwise").digest()
CONTEXT = b"doorward v1 plan"
PAYLOADS = (b"", b"payload", bytes(range(256)) * 20)

# Reads one job from stdin and answers: what `cwt` makes of our messages, and messages of its own.
ORACLE = """
import json, sys
from cwt import COSE, COSEKey

job = json.load(sys.stdin)
raw = bytes.fromhex
point, kid, context = raw(job["point"]), raw(job["kid"]), raw(job["context"])
elliptic = {1: 2, 2: kid, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]}
public = COSEKey.new(elliptic)
private = COSEKey.new({**elliptic, -4: raw(job["scalar"])})
shared = COSEKey.from_symmetric_key(raw(job["secret"]), alg="HS256")

def judge(message, key):
    try:
        return COSE.new().decode(raw(message), key, external_aad=context).hex()
    except Exception as error:
        return "refused: " + type(error).__name__

def sign(payload):
    return COSE.new().encode_and_sign(
        raw(payload), private, protected={1: -7}, unprotected={4: kid}, external_aad=context
    ).hex()

def authenticate(payload):
    return COSE.new().encode_and_mac(
        raw(payload), shared, protected={1: 5}, unprotected={}, external_aad=context
    ).hex()

json.dump({
    "sign1": [judge(message, public) for message in job["sign1"]],
    "mac0": [judge(message, shared) for message in job["mac0"]],
    "their_sign1": [sign(payload) for payload in job["payloads"]],
    "their_mac0": [authenticate(payload) for payload in job["payloads"]],
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that has `cwt`, or a skip that says why there is none."""
    return environment(tmp_path_factory.mktemp("oracle"), WANTED)


def ask(
    python: Path,
    sign1: list[bytes],
    mac0: list[bytes],
    kid: bytes = KID,
    context: bytes = CONTEXT,
) -> dict[str, list[str]]:
    """Let `cwt` judge our messages and make its own."""
    job = {
        "point": SIGNER.public.point.hex(),
        "scalar": SIGNER.secret_bytes().hex(),
        "kid": kid.hex(),
        "secret": SECRET.hex(),
        "context": context.hex(),
        "sign1": [message.hex() for message in sign1],
        "mac0": [message.hex() for message in mac0],
        "payloads": [payload.hex() for payload in PAYLOADS],
    }
    done = subprocess.run(
        [python, "-c", ORACLE], input=json.dumps(job), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[str]] = json.loads(done.stdout)
    return answer


def signed(payload: bytes, signer: PrivateKey = SIGNER, context: bytes = CONTEXT) -> bytes:
    return cose.sign1(payload, signer, context)


def authenticated(payload: bytes, secret: bytes = SECRET, context: bytes = CONTEXT) -> bytes:
    return cose.mac0(payload, secret, context)


def test_both_libraries_understand_and_refuse_alike(oracle: Path) -> None:
    good = list(PAYLOADS)
    sign1 = [
        *map(signed, good),
        signed(b"payload", STRANGER),
        signed(b"payload", context=b"elsewhere"),
        signed(b"payload")[:-1] + b"\x00",
    ]
    mac0 = [
        *map(authenticated, good),
        authenticated(b"payload", bytes(32)),
        authenticated(b"payload", context=b"elsewhere"),
        authenticated(b"payload")[:-1] + b"\x00",
    ]

    answer: dict[str, Any] = ask(oracle, sign1, mac0)

    for judged in (answer["sign1"], answer["mac0"]):
        assert judged[: len(good)] == [payload.hex() for payload in good]
        assert all(said.startswith("refused: ") for said in judged[len(good) :])
        assert len(judged) == len(good) + 3
    found = {KID: SIGNER.public}.get
    for payload, their_sign1, their_mac0 in zip(
        good, answer["their_sign1"], answer["their_mac0"], strict=True
    ):
        theirs = bytes.fromhex(their_sign1), bytes.fromhex(their_mac0)
        assert cose.verify1(theirs[0], found, CONTEXT, limit=10_000) == payload
        assert cose.verify0(theirs[1], SECRET, CONTEXT, limit=10_000) == payload
        assert theirs[1] == authenticated(payload)


def test_who_issued_a_document_is_found_by_others_too(oracle: Path) -> None:
    validity = Validity(1_750_000_000, 1_750_000_000, 1_760_000_000, 1, True)
    document = issue(
        SIGNER,
        DocumentType.ACCESS,
        {"door": {0: 1}},
        validity,
        random=bytes,
        holder=key("h").public,
    )
    auth = document.issuer_auth
    forged = dataclasses.replace(auth, payload=auth.payload[:-1] + b"\x00")
    own = key_id(SIGNER.public)

    answer = ask(oracle, [_tagged(auth), _tagged(forged)], [], own, b"")

    assert answer["sign1"][0] == auth.payload.hex()
    assert answer["sign1"][1].startswith("refused: ")
    parts = cbor2.loads(bytes.fromhex(answer["their_sign1"][1])).value
    theirs = IssuerAuth.read([parts[0], dict(parts[1]), *parts[2:]])
    assert (theirs.payload, theirs.key_id) == (PAYLOADS[1], own)
    assert SIGNER.public.verifies(theirs.signature, theirs.covered)


def _tagged(auth: IssuerAuth) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, auth.plain))
