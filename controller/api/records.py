"""Answers about what happened: changes, events, remote openings."""

from __future__ import annotations

from pydantic import Field

from controller.api.answers import Answer, Instant
from controller.records.changes import ChangeView, Target
from controller.records.events import EventView
from controller.store.tables import Admission
from shared.access.rows import Method


class ChangeReaderAnswer(Answer):
    """A reader that a change concerns. `reason` says why it has not confirmed."""

    id: str
    name: str
    online: bool
    acked_at: Instant | None
    milliseconds: int | None
    reason: str | None = Field(examples=["offline", "waiting"])

    @classmethod
    def of(cls, target: Target, committed_at: int) -> ChangeReaderAnswer:
        """Return the answer that shows `target`."""
        acked_at = target.target.acked_at
        waiting = "waiting" if target.online else "offline"
        return cls(
            id=target.target.reader_id,
            name=target.name,
            online=target.online,
            acked_at=acked_at,
            milliseconds=None if acked_at is None else acked_at - committed_at,
            reason=waiting if acked_at is None else None,
        )


class ChangeAnswer(Answer):
    """One committed edit, and how far it has come."""

    id: int
    actor: str
    action: str = Field(examples=["person.update"])
    subject: str = Field(examples=["person 12"])
    detail: str | None
    committed_at: Instant
    status: str = Field(examples=["processing", "processed"])
    processed_at: Instant | None
    milliseconds: int | None = Field(description="From the commit to the last reader's receipt.")
    readers: list[ChangeReaderAnswer]

    @classmethod
    def of(cls, view: ChangeView) -> ChangeAnswer:
        """Return the answer that shows `view`."""
        change = view.change
        done = change.processed_at
        return cls(
            id=change.id,
            actor=change.actor,
            action=change.action,
            subject=change.subject,
            detail=change.detail,
            committed_at=change.committed_at,
            status="processing" if done is None else "processed",
            processed_at=done,
            milliseconds=None if done is None else done - change.committed_at,
            readers=[ChangeReaderAnswer.of(target, change.committed_at) for target in view.targets],
        )


class EventAnswer(Answer):
    """What happened at a door. `replayed`: it was told later than it happened.

    `cloneable`: by a number that anybody can copy, so that it says little about who it was.
    """

    id: int
    door_id: int
    door_name: str | None
    reader_id: str
    seq: int
    occurred_at: Instant
    received_at: Instant
    replayed: bool
    kind: str = Field(examples=["access"])
    reason: str | None = Field(examples=["granted", "out_of_hours"])
    reasons: list[str]
    method: str | None = Field(examples=["pkoc-ble-ecdhe"])
    cloneable: bool
    person_id: int | None
    person_name: str | None
    credential_id: str | None
    command: str | None
    operator: str | None
    detail: str | None

    @classmethod
    def of(cls, view: EventView) -> EventAnswer:
        """Return the answer that shows `view`."""
        record, event = view.record, view.event
        names = [name for name in (view.first_name, view.last_name) if name is not None]
        return cls(
            id=record.id,
            door_id=record.door_id,
            door_name=view.door_name,
            reader_id=record.reader_id,
            seq=record.seq,
            occurred_at=record.at,
            received_at=record.received_at,
            replayed=record.replayed,
            kind=record.kind,
            reason=record.reason,
            reasons=[reason.value for reason in event.reasons],
            method=event.method.value if event.method is not None else None,
            cloneable=event.method is Method.CARD_NUMBER,
            person_id=record.person_id,
            person_name=" ".join(names) or None,
            credential_id=view.credential,
            command=event.command.hex() if event.command is not None else None,
            operator=view.operator,
            detail=event.detail,
        )


class AdmissionAnswer(Answer):
    """A remote opening and what the door did: it is a success only when `admitted`."""

    id: int
    status: str = Field(examples=["pending", "admitted", "denied", "offline", "timeout"])
    detail: str | None
    door_id: int
    requested_at: Instant
    completed_at: Instant | None

    @classmethod
    def of(cls, row: Admission) -> AdmissionAnswer:
        """Return the answer that shows `row`."""
        return cls(
            id=row.id,
            status=row.status,
            detail=row.detail,
            door_id=row.door_id,
            requested_at=row.requested_at,
            completed_at=row.completed_at,
        )


class NewAdmissionAnswer(Answer):
    """A remote opening is on its way; follow it under `/admission_requests/{id}`."""

    admission_request_id: int
    status: str
