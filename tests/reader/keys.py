"""Keys and an enrolment for tests, the same in every run."""

from __future__ import annotations

from reader.identity import Enrolment, Keys
from tests.shared.credential.keys import key

READER, OTHER_READER = "reader0001", "reader0002"
SITE = bytes.fromhex("5a5b5c5d5e5f40718293a4b5c6d7e8f9")
LOCATION = bytes.fromhex("0f0e0d0c0b0a49080706050403020100")

PLAN_KEY = key("controller plan")  # signs plans, deny sets, leases, pulses
CONTROLLER_KEY = key("controller pairwise")
GROUP = bytes.fromhex("6a0b1c2d3e4f50617283940a5b6c7d8e")  # by which wallets know all doors here
WALLET_ISSUER, PHONE_ISSUER = key("site, for wallets"), key("site, for phones")
KEYS = Keys(identity=key("reader identity"), pkoc=key("reader pkoc"))
ENROLMENT = Enrolment(
    reader=READER,
    door="Front door",
    site=SITE,
    location=LOCATION,
    plan_key=PLAN_KEY.public,
    controller_key=CONTROLLER_KEY.public,
    broker="mqtt://127.0.0.1:1883",
)

# What a controller says at enrolment, as JSON.
ANSWER = {
    "reader": READER,
    "name": "Front",
    "door": "Front door",
    "site_uuid": "5a5b5c5d-5e5f-4071-8293-a4b5c6d7e8f9",
    "location_uuid": "0f0e0d0c-0b0a-4908-0706-050403020100",
    "plan_key": PLAN_KEY.public.point.hex(),
    "controller_key": CONTROLLER_KEY.public.point.hex(),
    "broker": "mqtt://127.0.0.1:1883",
}
