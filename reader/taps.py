"""One tap, from challenge to strike: session, decision, release, journal, answer."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from msgspec import structs

from hw.ports import (
    HardwareFault,
    Link,
    LinkClosed,
    LinkListener,
    Signal,
    Tag,
    TagListener,
    TagLost,
)
from reader.certificates import Certificates
from reader.claims import ANSWER_WITHIN, Claims
from reader.database import Unusable
from reader.documents import LOST, Examination, Remembered
from reader.door import Who
from reader.doorkeeper import Doorkeeper
from reader.identity import Enrolment, Keys, new_private_key
from reader.memory import Memory
from reader.secret_notes import SealedNotes
from reader.standards import Standards, method_of
from reader.wallets import Wallets
from shared.access.decide import Attempt, Denied, Granted, Reason, Shown, decide, shown
from shared.access.rows import Flag, Grant, Method
from shared.credential import outcome as credential
from shared.credential.card_number import judge_uid
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Proven, Refused
from shared.credential.pkoc import ble_reader
from shared.credential.session import Finished, Send
from shared.credential.tag import DialogueSession
from shared.wire.events import Event, EventKind

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Phones need a moment to read the result before the link goes.
LINGER = 0.3
# A link that has not taken a message of some hundred bytes by then will not.
SEND_SECONDS = 2.0
# A phone that only looks around must not keep others out: so many links at once, no more.
MAX_LINKS = 8
RETRY_FIRST, RETRY_MAX = 0.5, 30.0
# Not attempts at this door: a passer-by that connects or is scanned, and says nothing.
_SILENT = {
    credential.Reason.LINK_LOST,
    credential.Reason.TIMEOUT,
    credential.Reason.NOT_THIS_STANDARD,
    credential.Reason.MTU_TOO_SMALL,
}
_FOREIGN = Refused(credential.Reason.NOT_THIS_STANDARD, "none of this door's standards")
_SHOWN = {
    Shown.NOT_HERE: Signal.NOT_HERE,
    Shown.NOT_NOW: Signal.NOT_NOW,
    Shown.TROUBLE: Signal.TROUBLE,
}


class Taps:
    """Serves every phone and card that comes to this door."""

    def __init__(
        self,
        enrolment: Enrolment,
        keys: Keys,
        memory: Memory,
        doorkeeper: Doorkeeper,
        claims: Claims,
    ) -> None:
        """Prepare; see `serve_links` and `serve_tags`."""
        self._certificates = Certificates(enrolment, keys)
        self._wallets = Wallets(keys, memory.journal)
        notes = SealedNotes(keys, memory.journal)
        self._documents = Remembered(notes, began_anew=memory.journal_began_anew)
        self._standards = Standards(self._wallets, self._documents, memory.know)
        self._memory = memory
        self._door = doorkeeper
        self._claims = claims
        self._counting = asyncio.Lock()

    async def serve_links(self, listener: LinkListener) -> None:
        """Serve phones over BLE, several at a time, until cancelled."""
        slots = asyncio.Semaphore(MAX_LINKS)
        async with asyncio.TaskGroup() as tasks, _closing(listener):
            while True:
                await slots.acquire()
                link = await self._accept("BLE", listener.accept)
                task = tasks.create_task(self._serve_link(link))
                task.add_done_callback(lambda _: slots.release())

    async def serve_tags(self, listener: TagListener) -> None:
        """Serve cards and phones over NFC, one after the other, until cancelled."""
        async with _closing(listener):
            if self._documents.is_lost:
                await self._note_device(LOST)
            while True:
                tag = await self._accept("NFC", listener.accept)
                try:
                    await self._serve_tag(tag)
                finally:
                    await tag.release()

    async def _accept(self, what: str, accept: Callable[[], Awaitable[T]]) -> T:
        """Wait for the next one, through failures of the device."""
        wait = RETRY_FIRST
        while True:
            try:
                found = await accept()
            except HardwareFault as error:
                logger.warning("%s: %s; trying again in %.1f s", what, error, wait)
                if wait == RETRY_FIRST:
                    await self._note_device(f"{what}: {error}")
                await asyncio.sleep(wait)
                wait = min(wait * 2, RETRY_MAX)
            else:
                if wait > RETRY_FIRST:
                    await self._note_device(f"{what}: works again")
                return found

    async def _note_device(self, detail: str) -> None:
        await self._door.record([self._door.event(EventKind.DEVICE, detail=detail[:200])])

    async def _serve_link(self, link: Link) -> None:
        try:
            reader = self._certificates.shown(self._memory.certificates())
            session = ble_reader.ReaderSession(
                reader.pkoc,
                new_private_key(),
                own_keys=reader.own_keys,
                now=_now(),
                policy=ble_reader.Policy(
                    allow_normal=self._permits(Method.PKOC_BLE), certificate=reader.certificate
                ),
            )
            outcome = await self._hear_out(link, session)
            granted = await self._judge(outcome)
            async with asyncio.timeout(SEND_SECONDS):
                await link.send(session.result(granted=granted))
            await asyncio.sleep(LINGER)
        except (LinkClosed, TimeoutError):
            logger.debug("BLE: the phone went away")
        finally:
            await link.close()

    async def _hear_out(self, link: Link, session: ble_reader.ReaderSession) -> Outcome:
        """Converse with a phone, and not for ever with one that takes in nothing."""
        try:
            async with asyncio.timeout(ble_reader.TOTAL_SECONDS + SEND_SECONDS):
                return await self._converse(link, session)
        except TimeoutError:
            session.lost()
            return Refused(credential.Reason.TIMEOUT, "the link takes nothing more")

    async def _converse(self, link: Link, session: ble_reader.ReaderSession) -> Outcome:
        hello = session.hello(link.mtu)
        if isinstance(hello, Finished):
            return hello.outcome
        for message in hello:
            await link.send(message)
        while True:
            try:
                async with asyncio.timeout_at(session.deadline):
                    data = await link.receive()
            except TimeoutError:
                step: ble_reader.Step = session.expire(_now())
            except LinkClosed:
                step = session.lost()
            else:
                step = session.receive(data, _now())
            match step:
                case Finished(outcome):
                    return outcome
                case Send(message):
                    self._door.busy(ble_reader.IDLE_SECONDS)
                    await link.send(message)
                case None:
                    pass

    async def _serve_tag(self, tag: Tag) -> None:
        view = self._door.view()
        door = view.door
        # Without a plan a card is asked what most doors ask, so that the refusal says why.
        methods = door.methods if door is not None else (Method.PKOC_NFC,)
        issuers, clock = self._memory.card_issuers(), self._memory.clock.read()
        reader = self._certificates.shown(self._memory.certificates())
        asking = None
        if tag.iso_dep:
            asking = self._standards.over_nfc(reader, methods, issuers, clock, view.calendar)
        outcome = _FOREIGN if asking is None else await self._ask(tag, asking.dialogue)
        if outcome == _FOREIGN and Method.CARD_NUMBER in methods:
            outcome = judge_uid(tag.uid)
        examination = asking.examination if asking is not None else None
        if examination is not None:
            await self._note_documents(examination)
        granted = await self._judge(outcome, examination)
        if asking is not None:
            await self._tell(tag, asking.conclude(granted))

    async def _tell(self, tag: Tag, dialogue: Dialogue[None] | None) -> None:
        """Say how it ended, to a wallet that wants to know; it may have left by now."""
        if dialogue is not None:
            await self._ask(tag, dialogue)
        await self._wallets.remember()

    async def _ask(self, tag: Tag, dialogue: Dialogue[T]) -> T | Refused:
        session = DialogueSession(dialogue, now=_now())
        command = session.start()
        step: Send | Finished[T | Refused] | None
        while True:
            try:
                async with asyncio.timeout_at(session.deadline):
                    response = await tag.transceive(command)
            except TimeoutError:
                step = session.expire(_now())
            except TagLost:
                step = session.lost()
            else:
                step = session.receive(response, _now())
            match step:
                case Finished(outcome):
                    return outcome
                case Send(command):
                    pass
                case None:
                    return Refused(credential.Reason.TIMEOUT)

    async def _note_documents(self, examination: Examination) -> None:
        try:
            await self._documents.store()
        except Unusable as error:
            logger.error("%s", error)  # noqa: TRY400 - the cause is in the text
            examination.not_written()

    async def _judge(self, outcome: Outcome, examination: Examination | None = None) -> bool:
        """Decide on `outcome`, move the door, write it down. Return whether it was granted."""
        match outcome:
            case Refused(reason, text):
                await self._refuse_proof(reason, text)
                return False
            case Proven() as proven:
                if proven.standard is credential.Standard.ALIRO and examination is not None:
                    attempt = examination.attempt(proven)
                    return await self._judge_attempt(attempt, proven.key, examination.detail)
                attempt = Attempt(proven.key, method_of(proven), proven=True)
                return await self._judge_attempt(attempt, proven.key, None)

    async def _judge_attempt(self, attempt: Attempt, key: bytes, detail: str | None) -> bool:
        verdict, claim = self._decide(attempt), None
        match verdict:
            case Denied(reasons=(Reason.RESERVE_ONLINE,), grant=Grant() as grant):
                self._door.busy(ANSWER_WITHIN)
                reservation, claim = await self._claims.reserve(grant)
                attempt = replace(attempt, reservation=reservation)
                verdict = self._decide(attempt)
            case _:
                pass
        if isinstance(verdict, Granted) and verdict.counts:
            # One at a time: somebody else may be about to spend the last use.
            async with self._counting:
                verdict = await self._let_in(self._decide(attempt), attempt.method, claim, detail)
        else:
            verdict = await self._let_in(verdict, attempt.method, claim, detail)
        if isinstance(verdict, Granted):
            return True
        self._door.refuse(_SHOWN[shown(verdict.reason)])
        denied = self._denied(verdict, attempt.method, key, claim)
        await self._door.record([structs.replace(denied, detail=detail)])
        return False

    async def _let_in(
        self, verdict: Granted | Denied, method: Method, claim: bytes | None, detail: str | None
    ) -> Granted | Denied:
        """Release for a grant; a use that counts is durably spent before."""
        match verdict:
            case Granted(grant=Grant() as grant, counts=True):
                own = grant.id if grant.has(Flag.OWNED_USES) else None
                try:
                    await self._door.spend(self._granted(verdict, method, claim), own)
                except Unusable as error:
                    logger.error("%s", error)  # noqa: TRY400 - the cause is in the text
                    return verdict.without_journal()
                self._release(verdict)
            case Granted():
                self._release(verdict)
                granted = self._granted(verdict, method, claim)
                await self._door.record([structs.replace(granted, detail=detail)])
            case Denied():
                pass
        return verdict

    def _decide(self, attempt: Attempt) -> Granted | Denied:
        return decide(attempt, self._memory.know(attempt.key), self._memory.clock.read())

    def _release(self, granted: Granted) -> None:
        grant = granted.grant
        overrides = grant is not None and grant.has(Flag.OVERRIDE)
        self._door.grant(granted.seconds, _who(grant), overrides=overrides)

    def _granted(self, granted: Granted, method: Method, claim: bytes | None) -> Event:
        grant = granted.grant
        return self._door.event(
            EventKind.ACCESS,
            _who(grant),
            reason=Reason.GRANTED,
            method=method,
            plan=grant.plan if grant else None,
            counted=granted.counts,
            claim=claim,
        )

    def _denied(self, denied: Denied, method: Method, key: bytes, claim: bytes | None) -> Event:
        grant = denied.grant
        return self._door.event(
            EventKind.ACCESS,
            _who(grant),
            reason=denied.reason,
            reasons=denied.reasons,
            method=method,
            plan=grant.plan if grant else None,
            key_hash=None if grant else hashlib.sha256(key).digest(),
            claim=claim,
        )

    async def _refuse_proof(self, reason: credential.Reason, detail: str) -> None:
        if reason in _SILENT:
            logger.debug("no attempt: %s", reason.value)
            self._door.settle()
            return
        self._door.refuse(Signal.NOT_HERE)
        text = f"{reason.value}: {detail}"[:200]
        event = self._door.event(
            EventKind.ACCESS, reason=Reason.BAD_PROOF, reasons=(Reason.BAD_PROOF,), detail=text
        )
        await self._door.record([event])

    def _permits(self, method: Method) -> bool:
        door = self._door.view().door
        return door is not None and method in door.methods


def _who(grant: Grant | None) -> Who:
    return Who(credential=grant.credential, person=grant.person) if grant else Who()


def _now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def _closing(listener: LinkListener | TagListener) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await listener.close()
