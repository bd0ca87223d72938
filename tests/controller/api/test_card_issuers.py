"""Whose certificates count: from the site's settings to the doors that ask for certificates."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.access.rows import CardIssuers, Supplier
from shared.credential.pkoc.provisioning import SupplierCode
from tests.controller.client import Api
from tests.controller.readers import Listener
from tests.shared.credential.keys import key
from tests.shared.credential.piv.cards import ECC, MIDDLE, ROOT, Authority, rsa_key

pytestmark = pytest.mark.slow  # every test builds a whole installation

IIR = "01000TESTISSUER1"
POINT = key("supplier").public.point
RSA = rsa_key().public_key()
RSA_PEM = RSA.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ROOT_PEM = ROOT.certificate.public_bytes(Encoding.PEM).decode()
LEAF_PEM = ROOT.issue(ECC.native).public_bytes(Encoding.PEM).decode()
CONDITION = x509.NameConstraints([x509.DNSName("a.test")], None)
BOUND = Authority("bound", ROOT, extensions=[(CONDITION, True)]).certificate
BOUND_PEM = BOUND.public_bytes(Encoding.PEM).decode()
LIST_PEM = ROOT.revoke(7).public_bytes(Encoding.PEM).decode()
AUTHORITY_PEM = Authority("documents").certificate.public_bytes(Encoding.PEM).decode()
WHOLE = {
    "suppliers": [
        {"reference": IIR, "public_key": POINT.hex()},
        {"reference": "02000OTHERCORP01", "public_key": RSA_PEM},
    ],
    "authorities": [ROOT_PEM],
    "intermediates": [MIDDLE.certificate.public_bytes(Encoding.PEM).decode()],
    "revocation_lists": [LIST_PEM],
    "document_issuers": [POINT.hex()],
    "document_authorities": [AUTHORITY_PEM],
    "access_elements": ["floor1"],
    "revocation_elements": ["revoked"],
    "revocation_lists_required": True,
}
ASKING = {"methods": ["pkoc-nfc-validated", "piv-nfc-validated"]}


@pytest.fixture
async def reader(api: Api) -> Listener:
    door = await api.door("Front", methods=ASKING["methods"])
    return await Listener.join(api.database, await api.reader(door))


async def set_issuers(api: Api, issuers: dict[str, Any]) -> dict[str, Any]:
    [site] = await api.get("/sites")
    answer: dict[str, Any] = await api.put(f"/sites/{site['id']}", {"card_issuers": issuers})
    return answer


def told(reader: Listener) -> list[object]:
    return list(reader.of(CardIssuers))


CODE = SupplierCode(IIR, key("supplier").public).encode()


async def test_they_reach_the_door_as_der(api: Api, reader: Listener) -> None:
    shown = (await set_issuers(api, WHOLE))["card_issuers"]
    codes = [supplier.pop("code") for supplier in shown["suppliers"]]
    assert (shown, codes) == (WHOLE, [CODE, None])
    [row] = told(await reader.listen())
    assert isinstance(row, CardIssuers)
    spki = RSA.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert row.suppliers == (Supplier(IIR, POINT), Supplier("02000OTHERCORP01", spki))
    assert row.authorities == (ROOT.certificate.public_bytes(Encoding.DER),)
    assert len(row.intermediates) == len(row.revocations) == 1
    assert row.revocations_required


async def test_a_door_that_asks_for_no_certificates_is_told_of_nobody(api: Api) -> None:
    door = await api.door()
    reader = await Listener.join(api.database, await api.reader(door))
    await set_issuers(api, WHOLE)
    assert told(await reader.listen()) == []
    await api.put(f"/doors/{door}", ASKING)
    assert len(told(await reader.listen())) == 1
    await api.put(f"/doors/{door}", {"methods": ["pkoc-nfc"]})
    assert told(await reader.listen()) == []


async def test_they_are_replaced_and_taken_away(api: Api, reader: Listener) -> None:
    await set_issuers(api, WHOLE)
    await set_issuers(api, {"authorities": [ROOT_PEM]})
    [row] = told(await reader.listen())
    assert isinstance(row, CardIssuers)
    assert row.suppliers == ()
    await set_issuers(api, {})
    assert told(await reader.listen()) == []


async def test_a_supplier_is_set_up_by_the_text_of_its_code(api: Api, reader: Listener) -> None:
    shown = (await set_issuers(api, {"suppliers": [CODE]}))["card_issuers"]["suppliers"]
    assert shown == [{"reference": IIR, "public_key": POINT.hex(), "code": CODE}]
    [row] = told(await reader.listen())
    assert isinstance(row, CardIssuers)
    assert row.suppliers == (Supplier(IIR, POINT),)
    # What is shown may be sent back.
    assert (await set_issuers(api, {"suppliers": shown}))["card_issuers"]["suppliers"] == shown


async def test_the_same_again_is_no_change_for_the_door(api: Api, reader: Listener) -> None:
    await set_issuers(api, WHOLE)
    before = (await reader.listen()).version
    await set_issuers(api, WHOLE)
    assert (await reader.listen()).version == before


@pytest.mark.parametrize(
    ("issuers", "said"),
    [
        ({"suppliers": [{"reference": "short", "public_key": POINT.hex()}]}, "16 capital letters"),
        ({"suppliers": [{"reference": IIR, "public_key": "04" * 65}]}, "not on P-256"),
        ({"suppliers": [{"reference": IIR, "public_key": "zz" * 65}]}, "hexadecimal"),
        ({"suppliers": [{"reference": IIR, "public_key": "a key"}]}, "is no public key in PEM"),
        ({"suppliers": [{"reference": IIR}]}, "required"),
        ({"suppliers": ["a code"]}, "QR code"),
        ({"suppliers": [CODE.replace("pkoc_supplier", "pkoc")]}, "QR code"),
        ({"authorities": ["nonsense"]}, "is no certificate in PEM"),
        ({"authorities": [LEAF_PEM]}, "may not issue"),
        ({"intermediates": [LIST_PEM]}, "is no certificate in PEM"),
        ({"revocation_lists": [ROOT_PEM]}, "is no revocation list in PEM"),
        ({"authorities": [ROOT_PEM] * 9}, "8"),
        ({"authorities": [BOUND_PEM], "revocation_lists": [LIST_PEM]}, "of none of"),
        ({"revocation_lists_required": 1}, "true or false"),
        ({"authorities": [ROOT_PEM], "intermediates": [BOUND_PEM]}, "critical extension"),
        ({"suppliers": [CODE, {"reference": IIR, "public_key": RSA_PEM}]}, "twice"),
    ],
)
async def test_what_no_reader_could_read_is_refused(
    api: Api, issuers: dict[str, Any], said: str
) -> None:
    await api.door()
    [site] = await api.get("/sites")
    errors = await api.wrong("PUT", f"/sites/{site['id']}", {"card_issuers": issuers})
    [(where, texts)] = errors.items()
    assert where.startswith("card_issuers")
    assert said in " ".join(texts)
    assert (await api.get(f"/sites/{site['id']}"))["card_issuers"]["authorities"] == []
