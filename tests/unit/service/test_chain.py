"""The audit chain: whatever is altered, taken out, exchanged, cut off or forged is found, and where."""

from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.errors import ParameterError
from idverify.service import chain

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))


def key_of(private):
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


KEY = key_of(PRIVATE)


def make(n, *, private=PRIVATE, cases=("a", "b"), checkpoints=()):
    """A chain of `n` entries that are about two cases by turns; the last one is signed."""
    found, before = [], chain.FIRST
    for number in range(1, n + 1):
        case = cases[number % len(cases)]
        first = all(json.loads(e["content"])["case"] != case for e in found)
        content = {
            "time_s": 1.5 * number,
            "kind": "case.opened" if first else "x",
            "case": case,
            "facts": {"n": number},
        }
        entry = chain.linked(
            content,
            number=number,
            before=before,
            case_id=case,
            private=private,
            checkpoint=number == n or number in checkpoints,
        )
        before = entry.sha256
        found.append(entry.document())
    return found


def broken(entries, **options):
    found = chain.verify(entries, KEY, **options)
    return None if found.broken is None else found.broken.number


def relinked(entries, start, private=None):
    """What a forger with everything but the key does: make all hashes fit again."""
    before = entries[start - 1]["sha256"] if start else chain.FIRST
    for row in entries[start:]:
        row["before"] = before
        row["content_sha256"] = hashlib.sha256(row["content"].encode()).hexdigest()
        link = {name: row[name] for name in ("number", "before", "case", "content_sha256", "signed")}
        row["sha256"] = before = hashlib.sha256(rfc8785.dumps(link)).hexdigest()
        if private is not None and row["signed"]:
            row["signature"] = private.sign(b"idverify-audit-1\0" + bytes.fromhex(before)).hex()
    return entries


CHAIN = make(230)


def copy():
    return [dict(row) for row in CHAIN]


def test_a_whole_chain_holds_and_every_hundredth_entry_is_signed():
    found = chain.verify(CHAIN, KEY, must_end_signed=True, must_hold=CHAIN[57]["sha256"])
    assert (found.holds, found.signed_to, found.broken, found.newest) == (230, 230, None, CHAIN[-1]["sha256"])
    assert [row["number"] for row in CHAIN if row["signed"]] == [100, 200, 230]
    assert chain.verify([], KEY).broken is None
    assert broken([], must_end_signed=True) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 229), st.sampled_from(["number", "before", "case", "content_sha256", "signed", "sha256", "content"])
)
def test_an_altered_entry_is_named(where, name):
    entries = copy()
    value = entries[where][name]
    entries[where][name] = not value if isinstance(value, bool) else value + 1 if name == "number" else f"0{value}"
    assert broken(entries) == where + 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 228))
def test_a_removed_entry_is_named(where):
    entries = copy()
    del entries[where]
    assert broken(entries) == where + 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 229), st.integers(0, 229))
def test_exchanged_entries_are_named(a, b):
    entries = copy()
    entries[a], entries[b] = entries[b], entries[a]
    assert broken(entries) == (None if a == b else min(a, b) + 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 228))
def test_what_is_cut_off_before_a_signature_is_noticed(n):
    signed = n in (100, 200)
    assert broken(copy()[:n], must_end_signed=True) == (None if signed else n + 1)
    # Even what is cut off at a signature, by whoever noted a later entry.
    assert broken(copy()[:n], must_hold=CHAIN[-1]["sha256"]) == n + 1


def test_who_makes_all_hashes_fit_again_lacks_the_key():
    entries = copy()
    content = {**json.loads(entries[20]["content"]), "facts": {"n": "never happened"}}
    entries[20]["content"] = rfc8785.dumps(content).decode()
    assert broken(relinked(entries, 20)) == 100
    assert broken(relinked(entries, 20, OTHER)) == 100
    # Nor is the duty to sign taken away.
    for row in entries:
        row["signed"], row["signature"] = False, None
    assert broken(relinked(entries, 0)) == 100


def test_a_signature_of_another_entry_or_key_does_not_hold():
    entries = copy()
    entries[99]["signature"] = entries[199]["signature"]
    assert broken(entries) == 100
    for forged in (None, "", "zz", "00" * 64, 7):
        entries[99]["signature"] = forged
        assert broken(entries) == 100
    assert broken(make(100, private=OTHER)) == 100


def test_content_that_is_not_canonical_is_refused():
    entries = copy()
    entries[3]["content"] = json.dumps(json.loads(entries[3]["content"]))
    assert broken(relinked(entries, 3)) == 4


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=8),
        max_leaves=12,
    )
)
def test_nonsense_is_broken_and_never_an_error(nonsense):
    assert broken([nonsense]) == 1
    assert broken([nonsense], case_id="a") is not None
    for name in CHAIN[0]:
        entries = [dict(CHAIN[0])]
        if nonsense != entries[0][name] or type(nonsense) is not type(entries[0][name]):
            entries[0][name] = nonsense
            if name != "signature" or type(nonsense) is not str:
                assert broken(entries) == 1


def test_a_key_that_is_none_is_refused():
    for key in ("", "00", "z" * 64):
        with pytest.raises(ParameterError, match="64 hexadecimal"):
            chain.verify(CHAIN, key)


# -- the part about one case -----------------------------------------------------------------------


def part(case="a"):
    """As it is exported: all links from the case's opening on, and its own contents."""
    tag = chain.case_tag(case)
    start = next(n for n, row in enumerate(CHAIN) if row["case"] == tag)
    return [row if row["case"] == tag else {**row, "content": None} for row in copy()[start:]]


def test_a_case_is_shown_alone_and_still_proved():
    for case in ("a", "b"):
        assert broken(part(case), case_id=case, must_end_signed=True) is None
        shown = [json.loads(row["content"]) for row in part(case) if row["content"]]
        assert {content["case"] for content in shown} == {case}


def test_no_content_of_the_case_can_be_held_back_and_no_opening():
    entries = part("b")
    where = next(n for n, row in enumerate(entries) if n and row["content"])
    entries[where]["content"] = None
    assert broken(entries, case_id="b", must_end_signed=True) == entries[where]["number"]
    assert broken(part("b")[1:], case_id="b", must_end_signed=True) is not None
    assert broken(part("b")[2:], case_id="b", must_end_signed=True) is not None
    assert broken(part("b"), case_id="a", must_end_signed=True) is not None


def test_a_part_is_no_whole():
    assert broken(part("a")) is not None
