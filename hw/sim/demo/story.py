"""The two scripts: everything, checked; or a walk through the best of it."""

from __future__ import annotations

from hw.sim.demo import attacking, changing, losing, opening, presenting, sharing
from hw.sim.demo.commands import COMMANDS
from hw.sim.demo.steps import Step

# Leaves everything running and whole, for whoever wants to go on by hand.
TOUR: tuple[Step, ...] = (
    opening.RUNNING,
    opening.ENROL,
    opening.OPEN_BLE,
    opening.OPEN_NFC,
    opening.STRANGER_BLE,
    changing.GRANT,
    changing.CODE,
    changing.REVOKE,
    changing.REMOTE,
    losing.NO_BROKER,
    losing.BROKER_BACK,
)

EVERYTHING: tuple[Step, ...] = (
    opening.RUNNING,
    opening.ENROL,
    opening.OPEN_BLE,
    opening.OPEN_NFC,
    opening.STRANGER_BLE,
    opening.STRANGER_NFC,
    opening.OUT_OF_HOURS,
    changing.GRANT,
    changing.NEW_DOOR,
    changing.CODE,
    changing.VISIT,
    changing.REVOKE,
    changing.PROCESSED,
    changing.REMOTE,
    presenting.PKOC_CERTIFIED,
    presenting.PIV,
    presenting.ALIRO,
    sharing.SHARED,
    sharing.REFUSED,
    presenting.CARD_NUMBER,
    losing.NO_BROKER,
    losing.BROKER_BACK,
    losing.READER_KILLED,
    losing.CONTROLLER_KILLED,
    attacking.REPLAY,
    attacking.OLD_EPOCH,
    attacking.OTHER_KEY,
    COMMANDS,
)
