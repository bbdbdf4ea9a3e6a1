"""The service as it is run: a recovery service uses its client, and everything that can die dies."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from live import PATIENCE_S, PHOTO, VIDEO, Person, Receiver, Service, wait_for
from sqlalchemy import select

from idverify import models
from idverify.service import audit
from idverify.service.client import ApiError, Client, read_webhook
from idverify.service.core import open_core
from idverify.service.settings import Settings
from idverify.service.states import State
from idverify.service.tables import Case

pytestmark = pytest.mark.skipif(
    any(status.spec.default and status.state != "ok" for status in models.check()),
    reason="needs models: idverify models pull",
)
FILE = {"options": {"file": True}, "policy": "ial2"}
DONE = {"accepted", "rejected", "inconclusive"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One service for tests that leave it as it was."""
    service = Service(tmp_path_factory.mktemp("live"), options=("--judges", "2")).start()
    yield service
    assert service.stop() == 0


@pytest.fixture
def service(tmp_path):
    made = Service(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(child) for child in found.split()]


# -- the example of a recovery service ------------------------------------------------------------


def test_a_recovery_service_asks_is_told_and_decides(shared):
    """The whole of what a calling service writes: ask, send the link on, hear of a change, ask what became of it."""
    hook = Receiver()
    with Client(shared.base, shared.key.secret) as client:
        enrolled = client.enrol(PHOTO)
        attempt = client.create(
            reference=enrolled,
            subject="account-17",
            callback=hook.url,
            file=True,
            policy="ial2",
            idempotency_key="17/1",
        )
        assert (attempt.state, attempt.subject) == (State.REQUIRES_INPUT, "account-17")
        again = client.create(
            reference=enrolled,
            subject="account-17",
            callback=hook.url,
            file=True,
            policy="ial2",
            idempotency_key="17/1",
        )
        assert again == attempt

        # The person: a photograph panned before the camera, so the right answer is no.
        assert Person(shared, {"id": attempt.id, "link": attempt.link}).send_file() == ""

        while True:
            change = read_webhook(*hook.next(), shared.key.webhook_secret)
            now = client.get(change.attempt_id)
            if now.decision is not None:
                break
        assert not now.accepted
        assert now.state is State.REJECTED
        assert now.reasons
        with pytest.raises(TypeError):
            bool(now)
        assert not client.delete_evidence(attempt.id).evidence_kept
        client.delete_reference(enrolled)
        with pytest.raises(ApiError) as refused:
            client.create(reference=enrolled)
        assert refused.value.code == "not_found"
        with pytest.raises(ApiError) as refused:
            client.create(photo=b"no photo")
        assert refused.value.code == "not_a_photo"
    with pytest.raises(ApiError) as refused, Client("http://127.0.0.1:1", "k") as nobody:
        nobody.get("att_X")
    assert refused.value.code == "unreachable"
    hook.close()


def test_the_first_start_says_all_that_a_newcomer_needs(shared):
    said = (shared.data / "log").read_text()
    assert f"Listening on {shared.base}" in said
    assert re.search(rf"{re.escape(shared.base)}/demo/[0-9A-F]{{32}}", said)


def test_it_listens_on_this_machine_only(shared):
    listening = subprocess.run(["ss", "-ltn"], capture_output=True, text=True, check=False).stdout
    mine = [line for line in listening.splitlines() if f":{shared.port} " in line]
    if not mine:
        pytest.skip("needs ss to see what listens")
    assert all("127.0.0.1" in line for line in mine)


def test_a_body_without_end_is_cut_off(shared):
    with socket.create_connection(("127.0.0.1", shared.port), timeout=30) as connection:
        head = f"POST /v1/references HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.key.secret}\r\n"
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        sent = 0
        try:
            while sent < 64 << 20:
                connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        assert sent < 64 << 20, "nobody stopped it"


# -- sturdiness -----------------------------------------------------------------------------------


def test_twenty_at_once_none_is_lost_and_all_are_decided(shared):
    def one(_: int) -> str:
        made = shared.ask(**FILE)
        assert Person(shared, made).send_file() == ""
        return str(made["id"])

    with ThreadPoolExecutor(20) as pool:
        attempts = list(pool.map(one, range(20)))
    wait_for(lambda: all(shared.look(a)["state"] in DONE for a in attempts), "20 decisions", within_s=5 * PATIENCE_S)
    assert [shared.look(a)["state"] for a in attempts] == ["rejected"] * 20


def test_killed_at_random_moments_every_attempt_ends_decided_or_asks_for_one_more(service):
    """``kill -9`` of the judge's process in mid-judgement and of the whole service in mid-upload, in turn."""
    rng = random.Random(20)
    service.start()
    made = [service.ask_in_case(f"s-{n}", **FILE) for n in range(6)]
    people = [Person(service, attempt) for attempt in made]
    finished = threading.Event()
    ends: dict[str, dict] = {}

    def live(person: Person) -> None:
        """Send; look; where one more is asked for, send again."""
        while not finished.is_set():
            state = person.state()
            if state["state"] in DONE:
                ends[person.attempt] = state
                return
            if state["state"] in ("requires_input", "recording"):
                person.send_file(piece=8_000)
            time.sleep(0.1)

    threads = [threading.Thread(target=live, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for kill in range(20):
        time.sleep(rng.uniform(0.2, 2.5))
        if kill % 2:
            service.kill()
            service.start(ready=False)
        else:
            for child in children_of(service.process.pid)[:1]:
                os.kill(child, signal.SIGKILL)
    wait_for(lambda: len(ends) == len(people), "every attempt to end", within_s=5 * PATIENCE_S)
    finished.set()
    for thread in threads:
        thread.join(timeout=30)
    assert {service.look(a["id"])["state"] for a in made} <= DONE
    assert all(service.look(a["id"])["decision"] for a in made)
    seen = {a["id"]: service.look(a["id"]) for a in made}
    service.stop()
    # No event was lost, none is told twice, and the chain holds.
    core = open_core(Settings(data=service.data))
    found = audit.verify_stored(core)
    assert found.broken is None
    with core.database.reading() as session:
        told = [json.loads(entry.content) for entry in audit.entries(session)]
        states = {case.id: case.state for case in session.scalars(select(Case))}
    core.database.close()
    for attempt in made:
        # On a slow machine the delay after a rejection is over before this looks, and the case is open again.
        of_case = [e for e in told if e["case"] == attempt["case"] and e["kind"] != "case.open"]
        last = of_case[-2]["facts"]
        begun, ended = ["case.opened", "attempt.created", "case.visited"], ["attempt.rejected", "case.delayed"]
        assert [entry["kind"] for entry in of_case] == begun + ended
        assert (last["attempt"], last["outcome"]) == (attempt["id"], "reject")
        assert last["policy_sha256"] == seen[attempt["id"]]["decision"]["policy"]["sha256"]
        assert last["models"] == {m["name"]: m["sha256"] for m in seen[attempt["id"]]["decision"]["models"]}
        assert last["models"]
        assert states[attempt["case"]] in ("delayed", "open")


def test_the_judges_processes_end_with_the_service(service):
    service.start()
    children = children_of(service.process.pid)
    assert children
    service.kill()
    wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children), "the judges' end", within_s=20)


def test_a_port_that_is_taken_is_one_sentence(shared, tmp_path):
    second = Service(tmp_path, port=shared.port, key=shared.key, options=("--role", "web"))
    second.launch()
    assert second.process.wait(timeout=PATIENCE_S) == 4
    said = (tmp_path / "log").read_text()
    assert f"cannot listen on 127.0.0.1:{shared.port}" in said
    assert "Traceback" not in said


def test_told_to_stop_it_stops_in_good_order(service):
    service.start()
    assert service.stop() == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a small disk")
def test_a_full_disk_is_said_clearly_loses_nothing_and_mends_itself(service, tmp_path):
    data = tmp_path / "small"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(data)], check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small disk")
    small = Service(data)
    try:
        small.start()
        made = small.ask(**FILE)
        filler = data / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)
        with small.api() as api:
            answer = api.post("/v1/references", content=PHOTO)
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert api.get(f"/v1/attempts/{made['id']}").status_code == 200
        filler.unlink()
        assert Person(small, made).send_file() == ""
        wait_for(lambda: small.look(made["id"])["state"] in DONE, "a decision")
    finally:
        small.stop()
        subprocess.run(["umount", str(data)], check=False)


def test_a_database_that_is_gone_is_said_clearly_and_all_goes_on_when_it_is_back(tmp_path, postgres):
    name = f"live{time.monotonic_ns()}"
    postgres.psql(f"CREATE DATABASE {name}")
    service = Service(tmp_path, database=postgres.url(name)).start()
    try:
        made = service.ask(**FILE)
        person = Person(service, made)
        postgres.stop()
        with service.api() as api:
            answer = api.get(f"/v1/attempts/{made['id']}")
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert answer.headers["retry-after"]
            assert "postgres" not in answer.text
        assert service.answers("/healthz")
        assert not service.answers("/readyz")
        postgres.start()
        assert person.send_file() == ""
        wait_for(lambda: service.look(made["id"])["state"] in DONE, "a decision")
    finally:
        service.stop()


def test_web_and_judge_may_run_apart(tmp_path, postgres):
    name = f"apart{time.monotonic_ns()}"
    postgres.psql(f"CREATE DATABASE {name}")
    web = Service(tmp_path, database=postgres.url(name), options=("--role", "web")).start()
    judge = Service(tmp_path, database=postgres.url(name), options=("--role", "judge"), key=web.key)
    try:
        made = web.ask(**FILE)
        assert Person(web, made).send_file() == ""
        time.sleep(1.0)
        assert web.look(made["id"])["state"] == "processing"
        judge.launch()
        wait_for(lambda: web.look(made["id"])["state"] in DONE, "a decision")
        assert judge.stop() == 0
    finally:
        web.stop()


def test_the_description_holds(shared):
    """Schemathesis asks the running service everything that its description allows, and much that it does not."""
    schemathesis = pytest.importorskip("schemathesis", reason="needs the extra 'test'")
    report = subprocess.run(
        [
            Path(schemathesis.__file__).parents[4] / "bin" / "schemathesis",
            "run",
            f"{shared.base}/openapi.json",
            "--header",
            f"Authorization: Bearer {shared.key.secret}",
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
            "response_headers_conformance,negative_data_rejection,unsupported_method,ignored_auth",
            "--max-examples",
            "30",
            "--seed",
            "1",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert report.returncode == 0, report.stdout[-6000:] + report.stderr[-2000:]


def test_the_logs_of_all_this_hold_no_secret(shared):
    said = (shared.data / "log").read_text()
    assert shared.key.secret not in said
    assert "/r/" not in said
    assert "Traceback" not in said
    assert json.dumps(VIDEO[:8].hex()) not in said
