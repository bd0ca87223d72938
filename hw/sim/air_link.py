"""The physics of the virtual air: who hears whom, how late, and what happens when one vanishes.

bumble's `LocalLink` and `Controller` are a link layer in software. This module adds what several
processes on one link need: a radio that vanishes is noticed by its peers, two centrals that catch
the same advertisement do not both get the connection, and the air can be slow and lossy.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from dataclasses import dataclass

from bumble import hci, ll
from bumble.controller import Connection, Controller
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Weather:
    """How good the air is: a connection interval, and the share of packets that need another try.

    Bluetooth repeats a lost packet at the next connection event, so a loss is a delay.
    Advertisements are not repeated: a lost one is gone.
    """

    interval: float = 0.0
    """Seconds between two connection events; 0 delivers at once."""
    loss: float = 0.0
    """The probability that a packet is not heard, 0 to 0.9."""
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.loss <= 0.9:
            raise ValueError(f"loss is {self.loss}: give a probability from 0 to 0.9")
        if not 0 <= self.interval <= 4:
            raise ValueError(f"interval is {self.interval}: give seconds from 0 to 4")
        if self.loss and not self.interval:
            raise ValueError("loss needs an interval: a lost packet is repeated one interval later")


class Forecast:
    """When the packets of each direction arrive: in order, at connection events, seeded."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        # Not a secret: the same seed gives the same weather.
        self._dice = random.Random(weather.seed)  # noqa: S311
        self._last: dict[tuple[str, str], float] = {}

    @property
    def clear(self) -> bool:
        return not self._weather.interval

    def heard(self) -> bool:
        """Whether one advertisement gets through."""
        return self._dice.random() >= self._weather.loss

    def arrival(self, sender: str, receiver: str, now: float) -> float:
        """When a packet sent at `now` arrives: never before the one that was sent before it."""
        interval = self._weather.interval
        at = math.ceil(now / interval) * interval
        while self._dice.random() < self._weather.loss:
            at += interval
        # Strictly later: timers of the same moment fire in any order.
        at = max(at, self._last.get((sender, receiver), 0.0) + 1e-6)
        self._last[sender, receiver] = at
        return at

    def forget(self, address: str) -> None:
        """Drop what is kept about a radio that has gone."""
        self._last = {pair: at for pair, at in self._last.items() if address not in pair}


class AirController(Controller):
    """bumble's software controller, made safe to share the air with strangers."""

    # Packets of one ATT message each, as Bluetooth 4.2 controllers have; 27 bytes is Bluetooth 4.0.
    le_acl_data_packet_length = 251
    acl_data_packet_length = 251
    supported_max_tx_octets = 251
    supported_max_rx_octets = 251

    def on_hci_reset_command(
        self, _command: hci.HCI_Reset_Command
    ) -> hci.HCI_StatusReturnParameters:
        self.fall_silent(
            hci.HCI_ErrorCode.REMOTE_DEVICE_TERMINATED_CONNECTION_DUE_TO_POWER_OFF_ERROR
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_set_random_address_command(
        self, command: hci.HCI_LE_Set_Random_Address_Command
    ) -> hci.HCI_StatusReturnParameters:
        other = self.link.find_le_controller(command.random_address)
        if other not in (None, self):
            logger.warning("two radios want the address %s", command.random_address)
            return hci.HCI_StatusReturnParameters(
                hci.HCI_ErrorCode.INVALID_COMMAND_PARAMETERS_ERROR
            )
        self.random_address = command.random_address
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        # The host learns of the end from this event, after the command's own answer.
        asyncio.get_running_loop().call_soon(
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=pending.peer_address.address_type,
                peer_address=pending.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def hear_connect(self, request: ll.ConnectInd) -> bool:
        """Whether this controller advertised, and now has the connection."""
        before = self.le_connections.get(request.initiator_address)
        self.on_le_connect_ind(request)
        return self.le_connections.get(request.initiator_address) is not before

    def lose(self, peer: hci.Address, reason: int) -> None:
        """Tell the host that the connection to `peer` has ended, if there is one."""
        connection = self.le_connections.get(peer)
        if connection is not None:
            self.on_le_disconnected(connection, reason)

    def fall_silent(self, reason: int) -> None:
        """Stop advertising, scanning and connecting, and drop every connection."""
        self.le_legacy_advertiser.stop()
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        self.advertising_sets.clear()
        self.le_scan_enable = False
        self.pending_le_connection = None
        for connection in list(self.le_connections.values()):
            self._hang_up(connection, reason)

    def _hang_up(self, connection: Connection, reason: int) -> None:
        del self.le_connections[connection.peer_address]
        peer = self.link.find_le_controller(connection.peer_address)
        if isinstance(peer, AirController):
            peer.lose(connection.self_address, reason)


class AirLink(LocalLink):
    """A `LocalLink` on which radios come and go at any time."""

    def __init__(self, weather: Weather | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._forecast = Forecast(weather or Weather())

    def remove(self, controller: AirController) -> None:
        """Take a radio off the air; its peers see a supervision timeout."""
        controller.fall_silent(hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR)
        self.controllers.discard(controller)
        self._forecast.forget(str(controller.random_address))

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(packet, ll.ConnectInd):
            loop.call_soon(self._connect, sender_controller, packet)
            return
        for other in self.controllers:
            if other is not sender_controller and (self._forecast.clear or self._forecast.heard()):
                loop.call_soon(other.on_ll_advertising_pdu, packet)

    def _connect(self, central: Controller, request: ll.ConnectInd) -> None:
        """Give the connection to the advertiser, or tell the central that it came too late."""
        if central not in self.controllers:
            return  # it has vanished since, and nobody would hear of the end of its connection
        others = [c for c in self.controllers if isinstance(c, AirController) and c is not central]
        if any(other.hear_connect(request) for other in others):
            return
        if isinstance(central, AirController):
            central.lose(
                request.advertiser_address,
                hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR,
            )

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        if self._forecast.clear:
            super().send_acl_data(sender_controller, destination_address, transport, data)
            return
        asyncio.get_running_loop().call_at(
            self._arrival(sender_controller.random_address, destination_address),
            super().send_acl_data,
            sender_controller,
            destination_address,
            transport,
            data,
        )

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        if self._forecast.clear:
            self._control(sender_address, receiver_address, packet)
            return
        asyncio.get_running_loop().call_at(
            self._arrival(sender_address, receiver_address),
            self._control,
            sender_address,
            receiver_address,
            packet,
        )

    def _control(self, sender: hci.Address, receiver: hci.Address, packet: ll.ControlPdu) -> None:
        if self.find_le_controller(receiver) is not None:  # else: gone meanwhile, nobody hears it
            super().send_ll_control_pdu(sender, receiver, packet)

    def _arrival(self, sender: hci.Address, receiver: hci.Address) -> float:
        now = asyncio.get_running_loop().time()
        return self._forecast.arrival(str(sender), str(receiver), now)
