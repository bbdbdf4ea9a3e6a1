"""Start and end: one process, everything embedded, or one role of many.

Public items: :func:`serve`, :class:`Running`, :func:`start`.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from idverify.errors import ParameterError
from idverify.service import api_keys, routes_demo
from idverify.service.api_keys import NewKey
from idverify.service.app import make_app
from idverify.service.core import Core, open_core
from idverify.service.examiner import Examiner
from idverify.service.housekeeping import Housekeeper
from idverify.service.inmate import Inmate
from idverify.service.judge import Judge
from idverify.service.metrics import Metrics
from idverify.service.pages import Pages
from idverify.service.settings import Settings, is_loopback
from idverify.service.throttle import Throttle
from idverify.service.web import Web
from idverify.service.webhooks import Courier

__all__ = ["Running", "serve", "start"]

log = logging.getLogger("idverify.service")

_SHUTDOWN_S = 5
_LOADING_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service at work.

    Parameters
    ----------
    web
        None in a process that only judges.
    new_key
        The API key, at the very first start.
    """

    core: Core
    web: Web | None
    judges: tuple[Judge, ...]
    courier: Courier | None
    housekeeper: Housekeeper | None
    new_key: NewKey | None

    def stop(self) -> None:
        """End everything; what was being judged is judged by somebody else, or after the next start."""
        for judge in self.judges:
            judge.stop()
        for thread in (self.courier, self.housekeeper):
            if thread is not None:
                thread.stop()
        if self.web is not None:
            self.web.examiner.end()
        for judge in self.judges:
            judge.join(timeout=_SHUTDOWN_S)
        self.core.database.close()


def start(settings: Settings, *, inmates: Sequence[Inmate] = ()) -> Running:
    """Open everything and begin to work, all but listening.

    Parameters
    ----------
    settings
    inmates
        Processes for the judges that were begun already.

    Raises
    ------
    ParameterError
        Something that was set cannot be used.
    DatabaseUnavailableError
    """
    core = open_core(settings)
    metrics = Metrics()
    judges: tuple[Judge, ...] = ()
    if settings.role != "web":
        judges = tuple(
            Judge(core, inmate=begun, on_settled=lambda _, outcome: metrics.judged.labels(outcome).inc())
            for begun in [*inmates, *[None] * settings.judges][: settings.judges]
        )
        for judge in judges:
            judge.start()
    if settings.role == "judge":
        return Running(core=core, web=None, judges=judges, courier=None, housekeeper=None, new_key=None)
    new_key = None if api_keys.has_keys(core) else api_keys.make_key(core, "first")
    demo = api_keys.demo_key(core) if not settings.public_url and is_loopback(settings.host) else None
    web = Web(
        core=core,
        throttle=Throttle(settings),
        pages=Pages(),
        examiner=Examiner(core),
        metrics=metrics,
        judges_trouble=lambda: _trouble_of(judges),
        demo=demo,
    )
    threading.Thread(target=lambda: _begin_to_examine(web, judges), name="examiner", daemon=True).start()
    courier, housekeeper = Courier(core), Housekeeper(core)
    courier.start()
    housekeeper.start()
    return Running(core=core, web=web, judges=judges, courier=courier, housekeeper=housekeeper, new_key=new_key)


def _begin_to_examine(web: Web, judges: tuple[Judge, ...]) -> None:
    """Load for small questions when the judges have loaded: they are what people wait for."""
    if judges:
        judges[0].ready.wait(_LOADING_S)
    web.examiner.start()


def _trouble_of(judges: tuple[Judge, ...]) -> str:
    if not judges or any(judge.is_alive() and judge.ready.is_set() and not judge.trouble for judge in judges):
        return ""
    return next((judge.trouble for judge in judges if judge.trouble), "the models are being loaded")


def serve(settings: Settings, *, say: Callable[[str], None], inmates: Sequence[Inmate] = ()) -> None:
    """Run until told to stop.

    Parameters
    ----------
    settings
    say
        Prints one line for the operator.
    inmates
        Processes for the judges that were begun already.

    Raises
    ------
    ParameterError
        Something that was set cannot be used.
    """
    if settings.role == "judge":
        _judge_until_told(start(settings, inmates=inmates), say)
        return
    running = start(settings, inmates=inmates)
    assert running.web is not None
    config = uvicorn.Config(
        make_app(running.web),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        h11_max_incomplete_event_size=64 * 1024,
        lifespan="off",
    )
    server = _Server(config, lambda: _greet(running, settings, say))
    try:
        server.run()
    except SystemExit:
        place = f"{settings.host}:{settings.port}"
        raise ParameterError(f"cannot listen on {place}: in use, or not allowed; --port takes another") from None
    finally:
        running.stop()


class _Server(uvicorn.Server):
    """Says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, greet: Callable[[], None]) -> None:
        super().__init__(config)
        self._greet = greet

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in good order when told to, and only then: nothing is raised again afterwards."""
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Listen, then greet."""
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started:
            self._greet()


def _greet(running: Running, settings: Settings, say: Callable[[str], None]) -> None:
    say(f"Listening on {settings.base_url}")
    if not settings.public_url and not is_loopback(settings.host):
        say("Links begin with this address, and browsers give it no camera: put a proxy that ends TLS before it, and")
        say("say how people reach it: --public-url https://...")
    if running.new_key is not None:
        say("The first API key; it is shown only now:")
        say(f"  key             {running.new_key.secret}")
        say(f"  webhook secret  {running.new_key.webhook_secret}")
    if running.web is not None and running.web.demo:
        say(f"Try it with a photo of yourself: {settings.base_url}/demo/{routes_demo.demo_token(running.core)}")


def _judge_until_told(running: Running, say: Callable[[str], None]) -> None:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    say(f"Judging with {len(running.judges)} processes")
    told.wait()
    running.stop()
