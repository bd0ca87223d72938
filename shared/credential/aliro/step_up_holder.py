"""The step-up phase, the holder's side: a device that carries documents.

    open ── [ SELECT ] ── ENVELOPE ── stepped up ── EXCHANGE, under the keys of this phase

It gives a reader that has proved itself the elements that it asks for, of documents that there are.
"""

from __future__ import annotations

from shared.credential.aliro import keys
from shared.credential.aliro.channel import SecureChannel
from shared.credential.aliro.credential import Credential
from shared.credential.aliro.documents.messages import (
    DeviceRequest,
    DeviceResponse,
    unwrap,
    wrap,
)
from shared.credential.aliro.holder import UserDevice
from shared.credential.aliro.messages import STEP_UP_AID, V1_0, SelectAnswer
from shared.credential.apdu import SW, CommandAPDU, ResponseAPDU
from shared.credential.errors import RuleBroken
from shared.credential.outcome import Reason

_ENVELOPE = (0x00, 0xC3, 0x00, 0x00)


class DocumentDevice(UserDevice):
    """The expedited application of a device whose credentials have documents.

    Give a card a `StepUpApplication` beside it, if the credentials signal that it be selected.
    """

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        if (command.cla, command.ins, command.p1, command.p2) != _ENVELOPE:
            return super().answer(command)
        challenge, secret = self._challenge, self.step_up
        if challenge is None or secret is None:
            what = "documents are for readers that have proved themselves, once"
            return self._fail(RuleBroken(Reason.OUT_OF_ORDER, what), SW.UNKNOWN_INS)
        self.step_up = None
        derived = keys.step_up_keys(secret)
        self._channel = channel = SecureChannel.of_device(derived.reader, derived.device)
        try:
            request = DeviceRequest.decode(channel.open(unwrap(command.data)))
        except RuleBroken as broken:
            is_forged = broken.reason is Reason.DECRYPTION_FAILED
            return self._fail(broken, SW.SECURITY_STATUS if is_forged else SW.NOT_COMPLIANT)
        response = self.respond(challenge.credential, request)
        return ResponseAPDU(wrap(channel.seal(response.encode())), SW.OK)

    def respond(self, credential: Credential, request: DeviceRequest) -> DeviceResponse:
        """What is asked for, as far as there is any."""
        wanted = {kind.value: elements for kind, elements in request.wanted}
        found = (each for each in credential.documents if each.kind in wanted)
        return DeviceResponse(tuple(each.only(wanted[each.kind]) for each in found))


class StepUpApplication:
    """The application that some devices want to be selected before they give documents."""

    aid = STEP_UP_AID

    def __init__(self, device: DocumentDevice) -> None:
        self._device = device
        self._selected = SelectAnswer.of(STEP_UP_AID, (V1_0,))

    def select(self) -> ResponseAPDU:
        """Go on with the transaction of the expedited phase, if there is one."""
        return ResponseAPDU(self._selected.encode(), SW.OK)

    def answer(self, command: CommandAPDU) -> ResponseAPDU:
        return self._device.answer(command)
