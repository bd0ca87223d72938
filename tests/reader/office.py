"""The controller's side of the sync, played by tests with the real rows, digests and messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reader.wallets import aliro_key
from shared.access.calendar import OffsetFrom
from shared.access.decide import DenyCause
from shared.access.digest import SetDigest
from shared.access.plan import Delta, diff, plan_of
from shared.access.rows import (
    AliroCertificate,
    Calendar,
    Door,
    Grant,
    Method,
    PkocCertificate,
    Row,
)
from shared.access.schedule import Interval, Schedule, Span
from shared.credential.aliro.certificate import ReaderCertificate as AliroReaderCertificate
from shared.credential.p256 import PrivateKey, PublicKey
from shared.credential.pkoc.reader_certificate import ReaderCertificate as PkocReaderCertificate
from shared.wire.messages import DenyEntry, DenyUpdate, Lease, PlanPage, PlanState
from tests.reader.clocks import NOW
from tests.reader.keys import (
    GROUP,
    KEYS,
    LOCATION,
    PHONE_ISSUER,
    READER,
    SITE,
    WALLET_ISSUER,
)

DAY = 86_400
CALENDAR = Calendar(int(NOW) + 400 * DAY, (OffsetFrom(0, 0),))
PKOC = (Method.PKOC_NFC, Method.PKOC_BLE, Method.PKOC_BLE_ECDHE)
DOOR = Door(1, PKOC, release=5, release_extended=20)
ALL_WEEK = Schedule(1, tuple(Interval(day, Span(0, 1440)) for day in range(7)))
NIGHTS = Schedule(2, tuple(Interval(day, Span(1320, 1380)) for day in range(7)))
FRAME: tuple[Row, ...] = (DOOR, CALENDAR, ALL_WEEK, NIGHTS)


def for_wallets(
    issuer: PrivateKey = WALLET_ISSUER, reader: PrivateKey = KEYS.pkoc, group: bytes = GROUP
) -> AliroCertificate:
    """What `issuer` says of a reader (by default this one) to the wallets of `group`."""
    certificate = AliroReaderCertificate.issue(issuer, aliro_key(reader).public)
    return AliroCertificate(group, issuer.public.point, certificate.encode())


def for_phones(
    issuer: PrivateKey = PHONE_ISSUER, location: bytes = LOCATION, key: PrivateKey = KEYS.pkoc
) -> PkocCertificate:
    """What `issuer` says of a reader (by default this one) to phones."""
    certificate = PkocReaderCertificate.issue(issuer, site=SITE, location=location, key=key.public)
    return PkocCertificate(issuer.public.point, certificate.encode())


def grant_of(key: PublicKey | bytes, number: int = 1, **more: object) -> Grant:
    """A grant of access plan 1 to `key`; credential and person have that number."""
    point = key if isinstance(key, bytes) else key.point
    values = {"plan": 1, "credential": number, "person": 1000 + number, **more}
    return Grant(key=point, **values)  # type: ignore[arg-type]  # the names are those of Grant


def many(count: int, first: int = 0) -> list[Grant]:
    """Grants to made-up keys; that they are on the curve nobody asks here."""
    return [made_up(number) for number in range(first, first + count)]


def made_up(number: int, **more: object) -> Grant:
    return grant_of(b"\x04" + number.to_bytes(8, "big") * 8, number + 1, **more)


class Office:
    """Plan, deny set and epoch of one reader, as its controller has them, with all history."""

    def __init__(self, rows: Iterable[Row] = FRAME, *, reader: str = READER) -> None:
        self.reader = reader
        self.epoch = 1
        self.plans: dict[int, dict[bytes, bytes]] = {}
        self.denials: list[DenyEntry] = []
        self.edit(rows)

    @property
    def version(self) -> int:
        return max(self.plans)

    @property
    def state(self) -> PlanState:
        """The newest plan."""
        return self.state_of(self.version)

    @property
    def deny_counter(self) -> int:
        return len(self.denials)

    def edit(self, put: Iterable[Row], delete: Sequence[bytes] = ()) -> None:
        """Commit a new version."""
        plan = dict(self.plans[self.version]) if self.plans else {}
        for key in delete:
            plan.pop(key, None)
        plan.update(plan_of(put))
        self.plans[len(self.plans) + 1] = plan

    def deny(self, key: bytes, cause: DenyCause | None = DenyCause.REVOKED) -> None:
        """Commit a change of the deny set."""
        self.denials.append(DenyEntry(self.deny_counter + 1, key, cause))

    def state_of(self, version: int) -> PlanState:
        digest = SetDigest.of(self.plans[version].values())
        return PlanState(self.epoch, version, digest.value, digest.count)

    def snapshot(self, version: int | None = None, *, pages: int = 1) -> list[PlanPage]:
        """The whole plan, cut into pages."""
        version = version or self.version
        return self._pages(None, version, diff({}, self.plans[version]), pages)

    def delta(self, base: int, version: int | None = None, *, pages: int = 1) -> list[PlanPage]:
        """The way from version `base`, cut into pages."""
        version = version or self.version
        return self._pages(base, version, diff(self.plans[base], self.plans[version]), pages)

    def deny_update(self, base: int = 0, counter: int | None = None) -> DenyUpdate:
        counter = self.deny_counter if counter is None else counter
        return DenyUpdate(
            reader=self.reader,
            epoch=self.epoch,
            base=base,
            counter=counter,
            issued_at=int(NOW),
            entries=tuple(self.denials[base:counter]),
        )

    def lease(self, nonce: bytes, now: float = NOW) -> Lease:
        return Lease(
            reader=self.reader,
            plan=self.state,
            deny_counter=self.deny_counter,
            nonce=nonce,
            issued_at=int(now * 1000),
        )

    def _pages(self, base: int | None, version: int, delta: Delta, pages: int) -> list[PlanPage]:
        return [
            PlanPage(
                reader=self.reader,
                base=base,
                after=self.state_of(version),
                issued_at=int(NOW),
                page=number,
                pages=pages,
                put=delta.put[number::pages],
                delete=delta.delete[number::pages],
            )
            for number in range(pages)
        ]
