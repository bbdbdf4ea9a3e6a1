"""The words of the capture page: the same in every language, and there for everything that can happen."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from idverify.challenge import LANGUAGES
from idverify.reasons import Reason
from idverify.service import case_page, retention
from idverify.service.case_policy import load_case_policy
from idverify.service.case_routes import CaseRoute
from idverify.service.case_states import NEXT_STEPS, CaseState
from idverify.service.desk import words as desk_words
from idverify.service.problems import STATUS
from idverify.service.proofs import PROOFS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

jinja2 = pytest.importorskip("jinja2", reason="the extra serve is not installed")

PAGES = Path(__file__).parents[3] / "src/idverify/service/pages"
SCRIPTS = {path.name: path.read_text("utf-8") for path in (PAGES / "static").glob("*.js")}
HOLDER = re.compile(r"\{\w+\}")
LINK_KINDS = ("unknown", "expired", "used", "canceled", "session", "busy", "not_ready", "other")


def words_of(locale: str) -> dict:
    return tomllib.loads((PAGES / "words" / f"{locale}.toml").read_text("utf-8"))


def flat(table: dict, before: str = "") -> dict[str, str | list[str]]:
    found = {}
    for key, value in table.items():
        found |= flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found


ENGLISH = flat(words_of("en"))


def render(name: str, locale: str, **more: object) -> str:
    loader = jinja2.FileSystemLoader(PAGES / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    words = words_of(locale)
    context = {
        "locale": locale, "dir": words["language"]["dir"], "words": words, "static": "/static/0", "service": None,
        "languages": [{"code": code, "name": code, "href": f"?locale={code}"} for code in LANGUAGES],
        "consent_version": "0", "retention_hours": 24, "opened": False, "ways": True,
    }  # fmt: skip
    return environment.get_template(name).render(**(context | more))


def test_one_file_per_language_of_the_challenge() -> None:
    assert {path.stem for path in (PAGES / "words").glob("*.toml")} == set(LANGUAGES)


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_language_says_the_same_things(locale: str) -> None:
    there = flat(words_of(locale))
    assert there.keys() == ENGLISH.keys()
    for key, english in ENGLISH.items():
        assert type(there[key]) is type(english), key
        assert len(HOLDER.findall(str(there[key]))) == len(HOLDER.findall(str(english))), key
        assert set(HOLDER.findall(str(there[key]))) == set(HOLDER.findall(str(english))), key
        if isinstance(english, list):
            assert len(there[key]) == len(english), key
        else:
            assert there[key].strip() == there[key] != "", key


@pytest.mark.parametrize("locale", [code for code in LANGUAGES if code != "en"])
def test_nothing_is_left_in_english(locale: str) -> None:
    there = flat(words_of(locale))
    # What is nothing but places to be filled in is the same in every language.
    spoken = {key for key, value in ENGLISH.items() if re.search(r"\w", HOLDER.sub("", str(value)))}
    same = {key for key in spoken if there[key] == ENGLISH[key]}
    assert same <= {"language.dir", "page.code"}


def test_only_arabic_reads_from_right_to_left() -> None:
    assert {locale for locale in LANGUAGES if words_of(locale)["language"]["dir"] == "rtl"} == {"ar"}


def test_advice_is_for_codes_that_exist_and_never_teaches_an_attacker() -> None:
    codes = set(words_of("en")["reason"])
    assert codes <= {reason.value for reason in Reason}
    assert not {code for code in codes if "attack" in code or "static" in code or "tampered" in code}


def test_every_problem_has_a_way_on_and_words() -> None:
    script = SCRIPTS["capture.js"]
    table = script[script.index("const WAYS_ON") : script.index("const SAME_WORDS")]
    ways = {code: re.findall(r'"(\w+)"', list_) for code, list_ in re.findall(r"^  (\w+): \[(.*)\],$", table, re.M)}
    words = words_of("en")
    assert {action for list_ in ways.values() for action in list_} <= set(words["next"])
    same = dict(re.findall(r'(\w+): "(\w+)"', script[script.index("const SAME_WORDS") :].split("\n")[0]))
    assert set(same.values()) <= ways.keys() == set(words["problem"])
    # Nothing can be done only where nothing needs to be done.
    assert {code for code, list_ in ways.items() if not list_} == {"link_canceled", "session_moved"}


def test_a_case_has_words_for_everything_that_it_can_be() -> None:
    said = words_of("en")["case"]
    assert set(said["state"]) == {state.value for state in CaseState}
    assert set(said["step"]) == {step.step for step in NEXT_STEPS.values()}
    assert set(said["route"]) == {route.value for route in CaseRoute}
    assert set(said["proof"]) == {"title", *PROOFS}
    assert set(desk_words.PROOFS) == set(PROOFS)
    assert set(said["why"]) == {*case_page._WHY, "unclear"}
    assert set(said["problem"]) - {"other"} <= set(STATUS)


def test_what_is_kept_has_words_for_everything_that_is_deleted() -> None:
    policy = replace(load_case_policy(), evidence_s={"default": 1.0, "recovery": 1e6})
    rows = retention.kept(policy)
    said = words_of("en")["retention"]
    assert {row.what for row in rows} | {row.unit for row in rows} <= set(said)
    # Whatever the policy says is on the page.
    shown = {row.what for row in rows}
    assert set(policy.retention_s) - {"continuation"} | {"evidence", "evidence_named"} <= shown


def test_every_code_and_word_that_the_scripts_use_exists() -> None:
    problems = set(words_of("en")["problem"])
    source = "\n".join(SCRIPTS.values())
    named = set(re.findall(r'(?:new Problem\(|Error: )"(\w+)"', source))
    assert len(named) > 8
    assert named <= problems
    said = set(re.findall(r'say\("([\w.]+)"', source))
    assert len(said) > 10
    assert said <= ENGLISH.keys()
    hints = set(re.findall(r'return "(\w+)"', SCRIPTS["hints.js"])) | {"ok"}
    assert hints <= set(words_of("en")["hint"])


@pytest.mark.parametrize("locale", LANGUAGES)
def test_pages_are_complete_and_hold_no_inline_script_or_style(locale: str) -> None:
    pages = [render("capture.html", locale), *(render("link.html", locale, kind=kind) for kind in LINK_KINDS)]
    pages += [render("demo.html", locale, problem=problem) for problem in (None, "not_a_photo", "internal")]
    for page in pages:
        assert f'<html lang="{locale}" dir="{words_of(locale)["language"]["dir"]}">' in page
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
        scripts = re.findall(r"<script([^>]*)>", page)
        assert all('src="/static/0/' in script or 'type="application/json"' in script for script in scripts)
        # Served by ourselves alone.
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_markup_in_a_words_file_or_a_service_name_stays_text() -> None:
    page = render("capture.html", "en", service="<script>alert(1)</script>")
    assert "<script>alert" not in page
