"""The controller as one running whole: database, web server, sync, and their end."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI

from controller.api.operator import Office
from controller.app import build_app
from controller.config import Config, Listen
from controller.connections import Connection
from controller.data_folder import DataFolder
from controller.identity.api import Desk, make_router
from controller.identity.keys import load_issuer, load_keys
from controller.intent.installation import prepare, renew_calendars
from controller.storage import open_database
from controller.store.database import Database
from controller.store.uninterrupted import uninterrupted
from controller.sync.mqtt import BrokerAddress, MqttBus
from controller.sync.service import SyncService

logger = logging.getLogger(__name__)

# Years come into view once a year, but a clock may be put right at any time.
RENEWAL = 3_600.0
# Requests under way have so long to end once we are told to stop.
GRACE = 5


class CannotListen(Exception):
    """The address is taken, or not ours. The text names it and the remedy."""


async def serve(config: Config, folder: DataFolder) -> None:
    """Run until SIGTERM or SIGINT; the folder is made and locked already.

    Raises `CannotListen`, `controller.data_folder.DataFolderError`,
    `controller.identity.keys.KeyFileError` and `controller.store.schema.UnknownSchema`.
    """
    listener = _listen(config.listen)
    with listener:
        address = _address(listener)
        public_url = config.public_url or f"http://{address}"
        # Keys before the database: it is what says that this is not the first start.
        keys = load_keys(folder.path, first_start=not folder.database.exists())
        token = folder.token()
        database = await open_database(folder.database, partial(load_issuer, folder.path))
        try:
            points = [key.point for key in keys.public]
            await prepare(database, time_zone=config.time_zone, own_keys=points)
            office = Office(database, token, public_url)
            app = build_app(office, [make_router(Desk(database, keys, public_url, config.broker))])
            sync = SyncService(database, keys, MqttBus(BrokerAddress.parse(config.broker)))
            folder.write(folder.address_file, f"{address}\n")
            logger.info("listening on http://%s, data in %s", address, folder.path)
            logger.info("the API: http://%s/api/3/docs, its token: %s", address, folder.token_file)
            await _run(_Server(app), listener, database, sync)
        finally:
            folder.address_file.unlink(missing_ok=True)
            await database.close()
    logger.info("stopped")


async def _run(
    server: _Server, listener: socket.socket, database: Database, sync: SyncService
) -> None:
    """Serve until the web server ends; everything else ends with it, and it with everything."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    try:
        async with asyncio.TaskGroup() as tasks:
            others = [tasks.create_task(sync.run()), tasks.create_task(_renew(database))]
            await server.serve(sockets=[listener])
            for task in others:
                task.cancel()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _renew(database: Database) -> None:
    while True:
        renewed = await uninterrupted(renew_calendars(database))
        if renewed:
            logger.info("calendars renewed for sites %s", renewed)
        await asyncio.sleep(RENEWAL)


class _Server(uvicorn.Server):
    """uvicorn, which leaves signals to us and writes no access log: addresses hold secrets."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: `_run` has the signals."""
        yield

    def stop(self) -> None:
        """End after the requests under way."""
        self.should_exit = True


def _listen(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((listen.host, listen.port))
        # Whoever reads our address and comes at once waits a moment, and is not turned away.
        listener.listen()
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {listen.host}:{listen.port} ({error.strerror}): "
            "choose another `listen`, or stop what has that port"
        ) from error
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
