"""Which standard does this card speak? Each that the door takes is tried, in the door's order.

A card that does not know an application says so to its SELECT, and the next standard is tried: a
card that is none of them costs one SELECT each. It may also know the application and be nobody
there: one that does not serve now (`unavailable`: a phone that keeps its key for another radio, an
empty slot), one without a credential for this door (`unknown_reader`). It is asked for the next one
as well. Whoever has begun to prove something is committed: what goes wrong after that is the end,
never a reason to ask for something weaker.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.credential.apdu import SW, ResponseAPDU, describe
from shared.credential.errors import Misuse, RuleBroken
from shared.credential.exchange import Dialogue
from shared.credential.outcome import Outcome, Reason, Refused

# With these a card says that it has no such application, or does not understand the question.
_FOREIGN = frozenset(
    (
        SW.WRONG_LENGTH,
        SW.FUNCTION_NOT_SUPPORTED,
        SW.NOT_FOUND,
        SW.WRONG_PARAMETERS,
        SW.WRONG_P1_P2,
        SW.UNKNOWN_INS,
        SW.UNKNOWN_CLA,
    )
)


def check_selected(answer: ResponseAPDU) -> None:
    """Pass if SELECT found the application. Raises `RuleBroken`: not_this_standard, unavailable."""
    if answer.sw != SW.OK:
        reason = Reason.NOT_THIS_STANDARD if answer.sw in _FOREIGN else Reason.UNAVAILABLE
        raise RuleBroken(reason, f"SELECT was answered {describe(answer.sw)}")


def try_in_order(standards: Sequence[Dialogue[Outcome]]) -> Dialogue[Outcome]:
    """The outcome of the first of `standards` in which the card is somebody; they are used up.

    Otherwise unknown_reader or unavailable, whichever came last, if it knew one of them, and
    not_this_standard if it knew none.
    """
    if not standards:
        raise Misuse("a door that takes no standard has nothing to ask a card")
    return _try_in_order(standards)


def _try_in_order(standards: Sequence[Dialogue[Outcome]]) -> Dialogue[Outcome]:
    nobody: Outcome = Refused(Reason.NOT_THIS_STANDARD)
    for standard in standards:
        try:
            outcome = yield from standard
        except RuleBroken as broken:
            outcome = Refused(broken.reason, str(broken))
        match outcome:
            case Refused(reason=Reason.NOT_THIS_STANDARD):
                pass
            case Refused(reason=Reason.UNKNOWN_READER | Reason.UNAVAILABLE):
                nobody = outcome
            case _:
                return outcome
    return nobody
