"""Work behind the decoder: everything once, in order, errors told, nothing left running, no thread more than needed."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time

import pytest

from idverify.verification import follower as module
from idverify.verification.follower import MAX_BEHIND, Follower


@pytest.fixture(params=[1, 2], ids=["one core", "two cores"], autouse=True)
def cores(request, monkeypatch):
    monkeypatch.setattr(module.cores, "usable", lambda: request.param)
    return request.param


def thread_of(follower: Follower) -> int:
    return follower.ask(threading.get_ident)()


def test_everything_is_done_once_and_in_order():
    done: list[int] = []
    with Follower() as follower:
        for i in range(200):
            follower.give(lambda i=i: done.append(i))
    assert done == list(range(200))


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
    n_done = len(done)
    assert n_done < 100
    time.sleep(0.02)
    assert len(done) == n_done


def test_an_error_of_the_one_who_gives_is_not_hidden():
    def give_and_fail() -> None:
        with Follower() as follower:
            follower.give(lambda: None)
            raise KeyError

    with pytest.raises(KeyError):
        give_and_fail()


def test_nothing_that_was_asked_for_runs_on_when_who_asked_fails(cores):
    done: list[int] = []

    def ask_and_fail() -> None:
        with Follower() as follower:
            for i in range(20):
                follower.ask(lambda i=i: (time.sleep(0.005), done.append(i)))
            raise KeyError

    with pytest.raises(KeyError):
        ask_and_fail()
    n_done = len(done)
    assert n_done < 20
    time.sleep(0.02)
    assert len(done) == n_done


def test_one_context_after_the_other_is_served_by_one_thread(cores):
    seen = set()
    for _ in range(20):
        with Follower() as follower:
            seen.add(thread_of(follower))
    assert len(seen) == 1


def test_contexts_at_the_same_time_do_not_wait_for_each_other(cores):
    with Follower() as one, Follower() as other:
        assert (thread_of(one) != thread_of(other)) == (cores > 1)


def follow_in_a_forked_process() -> None:
    with Follower() as follower:
        sys.exit(thread_of(follower) == 0)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system forks safely")
def test_a_forked_process_has_threads_of_its_own():
    with Follower() as follower:
        thread_of(follower)
    child = multiprocessing.get_context("fork").Process(target=follow_in_a_forked_process)
    child.start()
    child.join(10)
    hangs = child.is_alive()
    child.kill()
    assert not hangs
    assert child.exitcode == 0


def test_what_is_asked_for_is_given_to_who_asked(cores):
    at: list[str] = []

    def find() -> int:
        at.append(threading.current_thread().name)
        return 42

    with Follower() as follower:
        found = follower.ask(find)
        assert found() == 42
    assert at[0].startswith("idverify-follower") == (cores > 1)


def test_an_error_of_what_is_asked_for_is_raised_where_it_is_waited_for():
    def fails() -> int:
        raise ValueError("seen")

    with Follower() as follower:
        found = follower.ask(fails)
        with pytest.raises(ValueError, match="seen"):
            found()
    with Follower() as follower:
        follower.ask(fails)
