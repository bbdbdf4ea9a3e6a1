"""Work behind the decoder: everything once, in order, errors told, nothing left running."""

from __future__ import annotations

import threading
import time

import pytest

from idverify.verification import follower as module
from idverify.verification.follower import MAX_BEHIND, Follower


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"], autouse=True)
def cores(request, monkeypatch):
    monkeypatch.setattr(module.cores, "usable", lambda: request.param)
    return request.param


def threads() -> int:
    return sum(thread.name.startswith("idverify-follower") for thread in threading.enumerate())


def test_everything_is_done_once_and_in_order():
    done: list[int] = []
    with Follower() as follower:
        for i in range(200):
            follower.give(lambda i=i: done.append(i))
    assert done == list(range(200))
    assert not threads()


def test_no_more_than_a_few_pictures_wait(cores):
    given = done = most = 0

    def slow() -> None:
        nonlocal done
        time.sleep(0.002)
        done += 1

    with Follower() as follower:
        for _ in range(30):
            follower.give(slow)
            given += 1
            most = max(most, given - done)
    assert most <= (MAX_BEHIND if cores > 1 else 0)


def test_an_error_of_the_work_is_raised_and_nothing_runs_on():
    done: list[int] = []

    def fails() -> None:
        raise ValueError("seen")

    def give_all() -> None:
        with Follower() as follower:
            follower.give(fails)
            for i in range(100):
                follower.give(lambda i=i: (time.sleep(0.001), done.append(i)))

    with pytest.raises(ValueError, match="seen"):
        give_all()
    assert len(done) < 100
    assert not threads()


def test_an_error_of_the_one_who_gives_is_not_hidden():
    def give_and_fail() -> None:
        with Follower() as follower:
            follower.give(lambda: None)
            raise KeyError

    with pytest.raises(KeyError):
        give_and_fail()
    assert not threads()


def test_what_is_asked_for_is_given_to_who_asked(cores):
    at: list[str] = []

    def find() -> int:
        at.append(threading.current_thread().name)
        return 42

    with Follower() as follower:
        found = follower.ask(find)
        assert found() == 42
    assert at[0].startswith("idverify-follower") == (cores > 1)
    assert not threads()


def test_an_error_of_what_is_asked_for_is_raised_where_it_is_waited_for():
    def fails() -> int:
        raise ValueError("seen")

    with Follower() as follower:
        found = follower.ask(fails)
        with pytest.raises(ValueError, match="seen"):
            found()
    with Follower() as follower:
        follower.ask(fails)
    assert not threads()
