"""Figures for Prometheus: what waits, what came of attempts, how long it took. No names, no addresses.

Public items: :class:`Metrics`.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import func, select

from idverify.service import cases
from idverify.service.case_states import CaseState
from idverify.service.core import Core
from idverify.service.desk.figures import Figures, figures
from idverify.service.jobs import STATES
from idverify.service.states import State
from idverify.service.tables import Attempt, Case, OutboxEvent
from idverify.service.tally import Tally

__all__ = ["Metrics"]

_SECONDS = (0.5, 1, 2, 3, 5, 8, 13, 21, 34, 60, 120, 300)


class Metrics:
    """Counted in this process, or in the database at the moment of asking."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "idverify_requests_total", "Answered requests.", ["route", "method", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "idverify_request_seconds", "Time to answer.", ["route"], registry=self.registry, buckets=_SECONDS
        )
        self.judged = Counter("idverify_judged_total", "Recordings judged here.", ["outcome"], registry=self.registry)
        self.attempts = Gauge("idverify_attempts", "Attempts by state.", ["state"], registry=self.registry)
        self.decided = self._gauge("idverify_attempts_decided", "Attempts decided in 30 days.", ["outcome"])
        self.decided_for = self._gauge(
            "idverify_attempts_decided_for", "The same, by reason; one with several counts for each.",
            ["outcome", "reason"],
        )  # fmt: skip
        self.failed = self._gauge(
            "idverify_attempts_failed", "Attempts of 30 days whose newest recording failed technically.", ["reason"]
        )
        self.cases = Gauge("idverify_cases", "Cases by state.", ["state"], registry=self.registry)
        self.overdue = Gauge(
            "idverify_cases_overdue", "Cases whose next step is overdue, by state.", ["state"], registry=self.registry
        )
        self.disputed = Gauge(
            "idverify_cases_disputed", "Cases of which somebody said that it was not them.", registry=self.registry
        )
        self.reviews = self._gauge("idverify_reviews", "Decisions of people in 30 days.", ["verdict"])
        self.machine = self._gauge(
            "idverify_reviews_of_machine", "The same, by what the machine had said and whether it was overruled.",
            ["machine", "overruled"],
        )  # fmt: skip
        self.reasons = self._gauge(
            "idverify_reviews_of_rejections", "Rejections of the machine that a person decided about in 30 days.",
            ["reason", "overruled"],
        )  # fmt: skip
        self.groups = self._gauge(
            "idverify_reviews_of_groups", "The same, by the service's own label.", ["group", "overruled"]
        )
        self.review_seconds = self._gauge(
            "idverify_review_seconds", "Until somebody looked, and from there to the decision.", ["part", "quantile"]
        )
        self.review_oldest = self._gauge("idverify_review_oldest_seconds", "How long the oldest case waits.", [])
        self.queue = Gauge("idverify_queue", "Recordings that wait for a judge.", registry=self.registry)
        self.queue_age = Gauge("idverify_queue_oldest_seconds", "How long the oldest waits.", registry=self.registry)
        self.webhooks = Gauge("idverify_webhooks_pending", "Webhooks to be delivered.", registry=self.registry)
        self.webhooks_lost = Gauge("idverify_webhooks_given_up", "Webhooks nobody took.", registry=self.registry)

    def _gauge(self, name: str, what: str, labels: list[str]) -> Gauge:
        return Gauge(name, what, labels, registry=self.registry)

    def _set_reviews(self, found: Figures) -> None:
        for gauge in (self.reviews, self.machine, self.reasons, self.groups):
            # What nobody decided any more must not stay as it was.
            gauge.clear()
        for verdict, count in found.decisions.items():
            self.reviews.labels(verdict).set(count)
        for gauge, counts in (
            (self.machine, found.machine),
            (self.reasons, found.reasons),
            (self.groups, found.groups),
        ):
            for name, each in counts.items():
                gauge.labels(name, "yes").set(each.overruled)
                gauge.labels(name, "no").set(each.reviews - each.overruled)
        for part, spread in (("waiting", found.waited), ("deciding", found.took)):
            self.review_seconds.labels(part, "0.5").set(spread.median_s)
            self.review_seconds.labels(part, "0.9").set(spread.p90_s)
        self.review_oldest.set(found.oldest_s)

    def _set_attempts(self, found: Tally) -> None:
        for gauge in (self.decided, self.decided_for, self.failed):
            gauge.clear()
        for outcome in STATES:
            self.decided.labels(outcome).set(found.outcomes.get(outcome, 0))
        for (outcome, reason), count in found.reasons.items():
            self.decided_for.labels(outcome, reason).set(count)
        for reason, count in found.failures.items():
            self.failed.labels(reason).set(count)

    def text(self, core: Core) -> bytes:
        """Everything, in Prometheus' text format.

        Raises
        ------
        DatabaseUnavailableError
        """
        with core.database.reading() as session:
            by_state = session.execute(select(Attempt.state, func.count()).group_by(Attempt.state))
            counts: dict[str, int] = {row[0]: row[1] for row in by_state}
            waiting = (Attempt.state == State.PROCESSING.value, Attempt.queued_s.is_not(None))
            queued, oldest = session.execute(select(func.count(), func.min(Attempt.queued_s)).where(*waiting)).one()
            by_case = cases.overdue(session, core.clock())
            disputed = session.scalar(select(func.count()).where(Case.disputed_s.is_not(None)))
            found = figures(core, session)
            pending = session.scalar(select(func.count()).where(OutboxEvent.next_s.is_not(None)))
            lost = session.scalar(
                select(func.count()).where(OutboxEvent.next_s.is_(None), OutboxEvent.delivered_s.is_(None))
            )
        self._set_reviews(found)
        self._set_attempts(found.attempts)
        for state in State:
            self.attempts.labels(state.value).set(counts.get(state.value, 0))
        for case_state in CaseState:
            total, late = by_case.get(case_state.value, (0, 0))
            self.cases.labels(case_state.value).set(total)
            self.overdue.labels(case_state.value).set(late)
        self.disputed.set(disputed or 0)
        self.queue.set(queued)
        self.queue_age.set(0 if oldest is None else max(0.0, core.clock() - oldest))
        self.webhooks.set(pending or 0)
        self.webhooks_lost.set(lost or 0)
        return generate_latest(self.registry)
