"""An MQTT broker of last resort, for a laptop without mosquitto: amqtt in a process of its own.

    python -m hw.sim.broker --port 1883

MQTT 3.1.1 on loopback, nothing kept across a stop, everybody welcome. Never for a real site.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from amqtt.broker import Broker
from amqtt.errors import BrokerError

from hw.sim.serve import announce, until_stopped

_AUTHENTICATION = "amqtt.plugins.authentication.AnonymousAuthPlugin"


def _config(port: int) -> dict[str, object]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {_AUTHENTICATION: {"allow_anonymous": True}},
    }


async def _serve(options: argparse.Namespace) -> None:
    broker = Broker(_config(options.port))
    await broker.start()
    try:
        announce("the broker (amqtt)", options.port, options.port_file)
        await until_stopped()
    finally:
        await broker.shutdown()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m hw.sim.broker", description=__doc__.split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--port", type=int, required=True, help="TCP port to listen on")
    parser.add_argument("--port-file", type=Path, help="write the port into it once listening")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_serve(options))
    except (OSError, BrokerError) as error:
        parser.exit(1, f"the broker cannot start: {error}; is another one at that port?\n")


if __name__ == "__main__":
    main()
