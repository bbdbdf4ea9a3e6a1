"""``kill -9`` at twenty random moments of a story: no event is lost, none is told twice, and the chain verifies.

The web process is killed while people ask for a person, send documents, answer and say that it was not them; the desk's
part is done from outside by the functions that its pages call. Judges are killed in test_live.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import threading
import time
from collections import Counter

import httpx
from live import Service, insist, wait_for
from sqlalchemy import func, select

from idverify.service import audit, cases, papers, questions
from idverify.service.case_states import CASE_TRANSITIONS, CaseState
from idverify.service.core import open_core
from idverify.service.settings import Settings
from idverify.service.tables import Case, CasePaper, Notice, OutboxEvent

PEOPLE, KILLS = 5, 20
PDF = b"%PDF-1.7 " + bytes(200_000)


class Story(threading.Thread):
    """One person, who insists on every request until it is answered."""

    def __init__(self, service, core, n):
        super().__init__(daemon=True)
        self.service, self.core, self.n = service, core, n
        self.case, self.done, self.fault = "", False, ""
        self.answers = 0
        self.http = httpx.Client(base_url=service.base, headers={"Origin": service.base}, timeout=30, verify=False)

    def run(self):
        try:
            self._story()
            self.done = True
        except Exception as error:  # noqa: BLE001 - told by the test, not lost with the thread
            self.fault = repr(error)

    def _story(self):
        with self.service.api() as api:
            body = {"subject": f"s-{self.n}", "callback": "https://us.example/hook", "locale": "ar"}
            headers = {"Idempotency-Key": f"k-{self.n}"}
            self.case = self._insist(lambda: api.post("/v1/cases", json=body, headers=headers)).json()["id"]
            while True:
                # The answer to the opening may be lost with its cookie: then another link is asked for.
                link = self._insist(lambda: api.post(f"/v1/cases/{self.case}/link")).json()["link"]
                path = "/c/" + link.rsplit("/", 1)[1]
                if self._insist(lambda path=path: self.http.post(path)).status_code == 303 and self.http.cookies:
                    break
        self._post("route", "review", data={"route": "no_face"})
        self._desk("question")
        self._post("answer", "review", data={"words": "2009"})
        self._desk("refused")
        self._post("ask", "appeal", data={"words": "It is me."}, files={"documents": ("a.pdf", PDF)})
        self._desk("confirmed")
        self._post("ask", "review", data={"words": "Here is more."}, files={"documents": ("b.pdf", PDF)})
        with self.service.api() as api:
            told = self._insist(lambda: api.get(f"/v1/cases/{self.case}/notices")).json()["notices"]
        token = re.search(r"/n/(\w+)", told[0]["email"]["body"])[1]
        assert self._insist(lambda: self.http.post(f"/n/{token}")).status_code == 200

    def _post(self, action, then, **form):
        """Until the case is what it is to become; an answer that was lost had done it all the same."""
        answer = self._insist(lambda: self.http.post(f"/case/{action}", **form))
        assert answer.status_code in (303, 409), answer.text[:200]
        assert self._state() == then

    def _insist(self, request):
        answer = insist(request)
        self.answers += 1
        return answer

    def _state(self):
        with self.core.database.reading() as session:
            return session.get_one(Case, self.case).state

    def _desk(self, then):
        with self.core.database.writing() as session:
            audit.hold(session)
            case = cases.locked_case(session, self.case)
            if then == "question":
                questions.ask(self.core, session, case, "acc_TEST", "In which year?")
            else:
                cases.become(self.core, session, case, CaseState(then), actor="acc_TEST")


def test_killed_at_random_moments_of_a_story_nothing_is_lost(tmp_path):
    rng = random.Random(15)
    service = Service(tmp_path, options=("--role", "web")).start()
    core = open_core(Settings(data=tmp_path))
    people = [Story(service, core, n) for n in range(PEOPLE)]
    for person in people:
        person.start()
    for _ in range(KILLS):
        # However slow the machine is, somebody comes on between two kills, and the stories come to their end.
        seen = sum(person.answers for person in people)
        wait_for(
            lambda seen=seen: sum(p.answers for p in people) > seen or all(p.done or p.fault for p in people),
            "any answer",
        )
        time.sleep(rng.uniform(0.0, 0.3))
        service.kill()
        service.start(ready=False)
    wait_for(lambda: all(person.done or person.fault for person in people), "every story to end")
    service.stop()
    assert [person.fault for person in people] == [""] * PEOPLE
    assert audit.verify_stored(core).broken is None
    with core.database.reading() as session:
        told = [json.loads(entry.content) for entry in audit.entries(session)]
        for person in people:
            mine = [entry for entry in told if entry["case"] == person.case]
            states = [entry["kind"].removeprefix("case.") for entry in mine if _is_change(entry)]
            # Each once, in order, and nothing that the table does not allow.
            assert states == ["review", "question", "review", "refused", "appeal", "confirmed", "review", "frozen"]
            path = [CaseState.OPEN, *map(CaseState, states)]
            assert all(then in CASE_TRANSITIONS[now] for now, then in itertools.pairwise(path))
            assert mine[0]["kind"] == "case.opened"
            # One notice for the opening and each change, one webhook for each change.
            notices = session.scalar(select(func.count()).where(Notice.case_id == person.case))
            hooks = session.scalar(select(func.count()).where(OutboxEvent.case_id == person.case))
            assert (notices, hooks) == (len(states) + 1, len(states))
            case = session.get_one(Case, person.case)
            kept = papers.of_case(core, session, case)
            assert Counter(paper.kind for paper in kept) == {"question": 1, "answer": 1, "appeal": 2, "document": 2}
            assert {paper.id for paper in kept} == {e["facts"]["paper"] for e in mine if e["kind"] == "paper.kept"}
            documents = [paper.id for paper in kept if paper.text is None]
            assert all(papers.content(core, session, case, each)[0] == PDF for each in documents)
        assert session.scalar(select(func.count()).select_from(CasePaper)) == PEOPLE * 6
    core.database.close()


def _is_change(entry):
    return entry["kind"].removeprefix("case.") in {state.value for state in CaseState}
