"""A reader introduces itself to its controller, once, with a token an operator made for it."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from reader.identity import Enrolment, IdentityError, Keys, parse_enrolment
from shared.credential.p256 import PrivateKey
from shared.wire.proofs import Role, enrol_proof

TIMEOUT = 20.0
MAX_ANSWER = 65_536
MAX_REASON = 200


class EnrolmentRefused(Exception):
    """The controller did not take this reader. The text says why, in its words, and the remedy."""


def enrol(controller: str, token: str, keys: Keys, software: str) -> Enrolment:
    """Hand over the public keys, prove both, and return what the controller says.

    Raises `EnrolmentRefused`. Blocking; there is nothing else to do meanwhile.
    """
    if not _is_address(controller):
        raise EnrolmentRefused(f"'{controller}' is no address: write it http://host:8080")
    url = controller.rstrip("/") + "/enrol/reader"
    body = {
        "token": token,
        "identity_key": keys.identity.public.point.hex(),
        "pkoc_key": keys.pkoc.public.point.hex(),
        "proof_identity": _proof(token, Role.IDENTITY, keys.identity),
        "proof_pkoc": _proof(token, Role.PKOC, keys.pkoc),
        "software": software,
    }
    answer = _post(url, body)
    try:
        return parse_enrolment(answer, url)
    except IdentityError as error:
        raise EnrolmentRefused(str(error)) from error


def _proof(token: str, role: Role, key: PrivateKey) -> str:
    return key.sign(enrol_proof(token, role, key.public.point)).hex()


def _is_address(controller: str) -> bool:
    try:
        parts = urlsplit(controller)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _post(url: str, body: dict[str, str]) -> Any:
    request = Request(  # noqa: S310 - the scheme was checked
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            return json.loads(response.read(MAX_ANSWER))
    except HTTPError as error:
        raise EnrolmentRefused(f"{url} answered {error.code}: {_reason(error)}") from error
    except (URLError, OSError, http.client.HTTPException) as error:
        raise EnrolmentRefused(
            f"{url} cannot be reached ({_why(error)}): is the address right, and does it run?"
        ) from error
    except (ValueError, RecursionError) as error:
        raise EnrolmentRefused(f"{url} answered with something that is not JSON") from error


def _why(error: Exception) -> object:
    """Return the system's own words for a failure, without the wrappings of libraries."""
    inner = error.reason if isinstance(error, URLError) else error
    return getattr(inner, "strerror", None) or inner or type(error).__name__


def _reason(error: HTTPError) -> str:
    try:
        said = json.loads(error.read(MAX_ANSWER))
        return ascii(said["error_description"])[1:-1][:MAX_REASON]
    except (ValueError, RecursionError, KeyError, TypeError, OSError, http.client.HTTPException):
        return "no reason given"
