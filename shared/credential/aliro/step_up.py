"""The step-up phase, the reader's side: what a device's documents say of its holder.

    [ SELECT of the step-up application ]    where the device asks for it
    ENVELOPE   00 C3 00 00 L  session data   00          (see `documents.messages`)
    EXCHANGE   the reader status, under the keys of this phase

It follows a standard transaction, before `Transaction.conclude`. A fast one has no step-up phase:
then the document that the credential showed before is judged again.
"""

from __future__ import annotations

from dataclasses import replace

from shared.credential.aliro import keys
from shared.credential.aliro.channel import SecureChannel
from shared.credential.aliro.documents.access_data import Capability
from shared.credential.aliro.documents.encoding import MAX_SIZE
from shared.credential.aliro.documents.examiner import Examiner
from shared.credential.aliro.documents.messages import (
    DeviceRequest,
    DeviceResponse,
    unwrap,
    wrap,
)
from shared.credential.aliro.documents.recurrence import Moment
from shared.credential.aliro.endings import ReaderStatus
from shared.credential.aliro.messages import STEP_UP_AID, SelectAnswer
from shared.credential.aliro.offer import Signaling
from shared.credential.aliro.reader import Session, Transaction
from shared.credential.apdu import SHORT_MAX, SW, CommandAPDU, describe
from shared.credential.errors import RuleBroken
from shared.credential.exchange import Dialogue, exchange
from shared.credential.outcome import Outcome, Proven, Reason, Refused
from shared.credential.tlv import Malformed

SELECT_STEP_UP = CommandAPDU(0x00, 0xA4, 0x04, 0x00, STEP_UP_AID, SHORT_MAX)
# Devices send 254 or 256 bytes at a time.
ROUNDS = MAX_SIZE // 254 + 2

_STATUSES = {
    Reason.UNKNOWN_ISSUER: ReaderStatus.KEY_NOT_TRUSTED,
    Reason.BAD_CERTIFICATE: ReaderStatus.KEY_NOT_TRUSTED,
    Reason.CERTIFICATE_EXPIRED: ReaderStatus.KEY_EXPIRED,
    Reason.DOCUMENT_EXPIRED: ReaderStatus.KEY_EXPIRED,
    Reason.DOCUMENT_NOT_YET_VALID: ReaderStatus.KEY_EXPIRED,
    Reason.DOCUMENT_TOO_OLD: ReaderStatus.KEY_EXPIRED,
    Reason.DOCUMENT_SUPERSEDED: ReaderStatus.KEY_EXPIRED,
    Reason.BAD_SIGNATURE: ReaderStatus.INVALID_CONTENT,
    Reason.DIGEST_MISMATCH: ReaderStatus.INVALID_CONTENT,
    Reason.WRONG_DOCUMENT: ReaderStatus.INVALID_CONTENT,
    Reason.OTHER_HOLDER: ReaderStatus.INVALID_CONTENT,
    Reason.BAD_DATA_ELEMENT: ReaderStatus.INVALID_CONTENT,
    Reason.MALFORMED: ReaderStatus.INVALID_FORMAT,
    Reason.WRONG_LENGTH: ReaderStatus.INVALID_FORMAT,
    Reason.OFF_CURVE: ReaderStatus.INVALID_FORMAT,
    Reason.DECRYPTION_FAILED: ReaderStatus.INVALID_FORMAT,
    Reason.CARD_ERROR: ReaderStatus.STATUS_WORD,
}


def status_for(refused: Refused) -> ReaderStatus:
    """What to tell a device whose documents have not let its holder in."""
    return _STATUSES.get(refused.reason, ReaderStatus.NO_ACCESS)


def by_documents(
    transaction: Transaction,
    proven: Proven,
    examiner: Examiner,
    action: Capability,
    moment: Moment | None,
) -> Dialogue[Outcome]:
    """What the documents of the device say of the holder whom `transaction` has just `proven`.

    `Proven` with an issuer: it lets the holder do `action` now. Without one: the door wants no
    access document, and no revocation concerns the holder. The caller concludes the transaction,
    after a refusal with `status_for`. There may be nothing to ask a device, and an outcome at once.
    """
    try:
        issuer = yield from _examine(transaction.session, examiner, action, moment)
    except RuleBroken as broken:
        return Refused(broken.reason, str(broken))
    return proven if issuer is None else replace(proven, issuer=issuer.hex())


def _examine(
    session: Session, examiner: Examiner, action: Capability, moment: Moment | None
) -> Dialogue[bytes | None]:
    secret, session.step_up = session.step_up, None  # the phase comes once
    if secret is None:
        return examiner.recall(session.credential, action, moment)
    request = examiner.request(session.offer)
    if request is None:
        examiner.check_revoked(session.credential, moment)
        return None
    response = yield from _fetch(session, secret, request)
    return examiner.examine(request, response, session.credential, action, moment)


def _fetch(session: Session, secret: bytes, request: DeviceRequest) -> Dialogue[DeviceResponse]:
    if Signaling.SELECT_STEP_UP in session.offer.signaling:
        yield from _select()
    derived = keys.step_up_keys(secret)
    session.channel = SecureChannel.of_reader(derived.reader, derived.device)
    sealed = session.channel.seal(request.encode())
    answer = yield from _ask(CommandAPDU(0x00, 0xC3, 0x00, 0x00, wrap(sealed), SHORT_MAX))
    return DeviceResponse.decode(session.channel.open(unwrap(answer)))


def _select() -> Dialogue[None]:
    selected = SelectAnswer.decode((yield from _ask(SELECT_STEP_UP)))
    if selected.aid != STEP_UP_AID:
        raise Malformed("SELECT was answered by another application")


def _ask(command: CommandAPDU) -> Dialogue[bytes]:
    response = yield from exchange(command, rounds=ROUNDS, size=MAX_SIZE)
    if response.sw != SW.OK:
        what = f"a request for documents was answered {describe(response.sw)}"
        raise RuleBroken(Reason.CARD_ERROR, what)
    return response.data
