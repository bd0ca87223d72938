"""What this reader shows phones of itself: its keys, and what the plan's certificates make of them.

A certificate is not believed because it was in the plan. It has to be for this reader's own key,
and signed by the issuer beside it; else this reader does without, and says what is to be done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from reader.identity import Enrolment, Keys
from reader.wallets import aliro_key
from shared.access.rows import AliroCertificate, PkocCertificate, ReaderCertificates
from shared.credential.aliro.certificate import ReaderCertificate as AliroReaderCertificate
from shared.credential.aliro.identity import Certified
from shared.credential.aliro.identity import ReaderIdentity as AliroIdentity
from shared.credential.errors import RuleBroken
from shared.credential.p256 import OwnKeys, PublicKey
from shared.credential.pkoc.identity import ReaderIdentity as PkocIdentity
from shared.credential.pkoc.reader_certificate import ReaderCertificate as PkocReaderCertificate

logger = logging.getLogger(__name__)

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Shown:
    """Who this reader is to phones: `aliro` None, no wallet is asked; its issuers are our own."""

    pkoc: PkocIdentity
    own_keys: OwnKeys
    aliro: AliroIdentity | None = None
    certificate: PkocReaderCertificate | None = None


class Certificates:
    """Reads the row of the plan, once as long as it stays the same."""

    def __init__(self, enrolment: Enrolment, keys: Keys) -> None:
        """Take who this reader is by itself."""
        self._enrolment = enrolment
        self._pkoc = PkocIdentity(enrolment.site, enrolment.location, keys.pkoc)
        self._aliro = aliro_key(keys.pkoc)
        self._own = [
            keys.pkoc.public,
            keys.identity.public,
            self._aliro.public,
            enrolment.plan_key,
            enrolment.controller_key,
        ]
        self._row = ReaderCertificates()
        self._shown = Shown(self._pkoc, OwnKeys(self._own))

    def shown(self, row: ReaderCertificates) -> Shown:
        """Return who this reader is by `row`."""
        if row != self._row:
            self._row, self._shown = row, self._read(row)
        return self._shown

    def _read(self, row: ReaderCertificates) -> Shown:
        wallets = None if row.aliro is None else _try("aliro", self._read_aliro, row.aliro)
        phones = None if row.pkoc is None else _try("pkoc", self._read_pkoc, row.pkoc)
        own = OwnKeys([*self._own, *_issuers(row)])
        return Shown(self._pkoc, own, wallets, phones)

    def _read_aliro(self, given: AliroCertificate) -> AliroIdentity:
        certificate = AliroReaderCertificate.decode(given.certificate)
        certified = Certified(PublicKey.parse(given.issuer), certificate)
        return AliroIdentity(given.group, self._enrolment.location, self._aliro, certified)

    def _read_pkoc(self, given: PkocCertificate) -> PkocReaderCertificate:
        found = PkocReaderCertificate.decode(given.certificate)
        mine = self._pkoc
        if (found.site, found.location, found.key) != (mine.site, mine.location, mine.key.public):
            raise ValueError("it is for another reader, or for another key of this one")
        if not found.is_signed_by(PublicKey.parse(given.issuer)):
            raise ValueError("the issuer beside it has not signed it")
        return found


def _issuers(row: ReaderCertificates) -> Iterator[PublicKey]:
    for given in (row.aliro, row.pkoc):
        if given is not None:
            with suppress(RuleBroken):
                yield PublicKey.parse(given.issuer)


def _try(name: str, read: Callable[[U], T], given: U) -> T | None:
    try:
        return read(given)
    except (RuleBroken, ValueError) as error:
        logger.error(  # noqa: TRY400
            "the plan's %s certificate: %s; phones are not shown it. If it stays so, enrol this"
            " reader anew (enrol --again)",
            name,
            error,
        )
        return None
