"""Every case of `documents`: what comes in, what a reader makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.credential.aliro.documents.access_data import AccessData, Capability
from shared.credential.aliro.documents.encoding import decode, embed, encode, read_date
from shared.credential.aliro.documents.examiner import Examiner, Memory
from shared.credential.aliro.documents.issue import issue
from shared.credential.aliro.documents.issuers import Issuers, key_id
from shared.credential.aliro.documents.messages import (
    DeviceRequest,
    DeviceResponse,
    DocumentType,
)
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.documents.security import SecurityObject
from shared.credential.aliro.documents.verification import Policy
from shared.credential.aliro.kpersistent import KpersistentStore
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason
from shared.credential.p256 import PrivateKey, PublicKey

FILE = Path(__file__).parents[4] / "vectors" / "aliro" / "documents" / "documents.json"
RAW = json.loads(FILE.read_text())
CASES = {case["name"]: case for case in RAW["cases"]}

# What our reasons are for the words of those who judged them.
REASONS = {
    "no rule holds": Reason.OUTSIDE_SCHEDULE,
    "time verification required, reader has no clock": Reason.NO_CLOCK,
    "element version": Reason.BAD_DATA_ELEMENT,
    "document signature": Reason.BAD_SIGNATURE,
    "mso document type": Reason.WRONG_DOCUMENT,
    "validity time": Reason.DOCUMENT_NOT_YET_VALID,
    "neither key id nor certificate": Reason.UNKNOWN_ISSUER,
    "certificate expired": Reason.CERTIFICATE_EXPIRED,
    "signed outside certificate validity": Reason.CERTIFICATE_EXPIRED,
    "requested element missing": Reason.NO_DATA_ELEMENT,
    "unknown reader rule": Reason.UNKNOWN_READER_RULE,
    "validity iteration": Reason.DOCUMENT_SUPERSEDED,
}


def public(name: str) -> PublicKey:
    return PublicKey.parse(bytes.fromhex(RAW[name]["public"]))


def private(name: str) -> PrivateKey:
    return PrivateKey.from_bytes(bytes.fromhex(RAW[name]["private"]))


def steps() -> list[Any]:
    return [
        pytest.param(case, step, id=f"{name}-{number}")
        for name, case in CASES.items()
        for number, step in enumerate(case["steps"])
    ]


@pytest.mark.parametrize("name", CASES)
def test_judged(name: str) -> None:
    case = CASES[name]
    kind, element = DocumentType(case["document_type"]), case["element"]
    memory = Memory(KpersistentStore())
    # Their readers trust a document for as long as its issuer says.
    examiner = Examiner(
        Issuers([public("trusted_issuer")], [public("trusted_issuer_ca")]),
        memory,
        access=(element,) if kind is DocumentType.ACCESS else (),
        revocation=(element,) if kind is DocumentType.REVOCATION else (),
        policy=Policy(clock_required=case["reader"]["clock"], longest=None),
    )
    request = DeviceRequest(((kind, (element,)),))
    moment = Moment(read_date(case["reader_time_utc"])) if case["reader"]["clock"] else None
    action = Capability(1 << case["requested_capability_bit"])
    assert not case["continues_previous_case"]
    for step in case["steps"]:
        response = DeviceResponse.decode(bytes.fromhex(step["device_response"]))
        try:
            examiner.examine(request, response, public("credential"), action, moment)
        except RuleBroken as broken:
            reason: Reason | None = broken.reason
        else:
            reason = None
        said = step["reason_in_evaluator"]
        assert reason is (REASONS[said] if step["expect"] == "reject" else None)
        for hashed in step.get("revoked_hashes_after", []):
            raise AssertionError(f"none of the cases here revokes {hashed}")


@pytest.mark.parametrize(("case", "step"), steps())
def test_written_again(case: dict[str, Any], step: dict[str, Any]) -> None:
    """Byte for byte what came in, from what has been read of it."""
    received = bytes.fromhex(step["device_response"])
    response = DeviceResponse.decode(received)
    assert response.encode() == received
    (document,) = response.documents
    said = SecurityObject.decode(document.issuer_auth.payload)
    # Theirs stands in the same order as ours, and leaves out what ours leaves out.
    assert said.encode() == document.issuer_auth.payload


@pytest.mark.parametrize(("case", "step"), steps())
def test_issued_again(case: dict[str, Any], step: dict[str, Any]) -> None:
    """Signed by us with the same keys: the same bytes, where the signer is known and honest."""
    (document,) = DeviceResponse.decode(bytes.fromhex(step["device_response"])).documents
    auth, said = document.issuer_auth, SecurityObject.decode(document.issuer_auth.payload)
    if case["name"] in ("signature_wrong", "mso_document_type_differs"):
        return
    signer = private("trusted_issuer" if auth.certificate is None else "certificate_subject_key")
    again = issue(
        signer,
        DocumentType(case["document_type"]),
        {each.item.element: each.item.value for each in document.items},
        said.validity,
        random=lambda size: b"\1" * size,
        holder=said.device,
        certificate=auth.certificate,
        with_key_id=auth.key_id is not None,
    )
    assert again.encode() == document.encode()


@pytest.mark.parametrize(("case", "step"), steps())
def test_access_data_written_again(case: dict[str, Any], step: dict[str, Any]) -> None:
    (document,) = DeviceResponse.decode(bytes.fromhex(step["device_response"])).documents
    value = document.items[0].item.value
    if value[0] == 1 and 6 not in value and case["document_type"] == "aliro-a":
        assert encode(AccessData.read(value).plain) == encode(value)


def test_key_ids() -> None:
    assert key_id(public("trusted_issuer")).hex() == RAW["trusted_issuer"]["key_id"]


def test_embedding_is_what_it_looks_like() -> None:
    assert encode(embed({0: 1})).hex() == "d81843a10001"
    assert decode(encode(embed({0: 1}))).value == encode({0: 1})
