"""A hook of MkDocs: fills ``<!-- from the code: NAME -->`` in a page with what the code itself says."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The site documents this checkout, not whatever is installed.
SOURCE = Path(__file__).resolve().parents[1] / "src"
sys.path.insert(0, str(SOURCE))

PLACE = re.compile(r"<!-- from the code: (?P<name>[\w ]+) -->")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _policies() -> str:
    from idverify.verification import load_policy, policy_names

    found = sorted(map(load_policy, policy_names()), key=lambda p: (p.unsafe, p.name != "ial2", p.name))
    head = ["policy", "meaning", "liveness required", "target FMR", "where liveness is judged", "challenge"]
    return _table(
        head,
        [
            [
                f"`{p.name}`",
                p.title,
                ", ".join(p.required_mechanisms) or "none",
                f"{p.target_fmr:g}",
                f"{p.target_fmr_with_liveness or p.target_fmr:g}",
                "required" if p.require_challenge else "if given",
            ]
            for p in found
        ],
    )


def _reasons() -> str:
    from idverify import Reason

    rows = [[f"`{reason.value}`", reason.sentence, reason.guidance or ""] for reason in Reason]
    return _table(["code", "what was found", "what the person is told"], rows)


def _models() -> str:
    from idverify.models import specs

    rows = [[row.name, row.role, row.origin, row.version, row.licence] for row in specs()]
    return _table(["model", "role", "origin", "version", "licence"], rows)


def _schema() -> str:
    from idverify.report import load_schema

    schema = load_schema()
    rows = []
    for name, value in schema["$defs"]["decision"]["properties"].items():
        kind = value.get("type") or value.get("$ref", "").rpartition("/")[2] or "see the schema"
        kinds = " or ".join(kind) if isinstance(kind, list) else str(kind)
        rows.append([f"`{name}`", kinds, str(value.get("description", ""))])
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return f"{_table(['key', 'type', 'meaning'], rows)}\n\n## The whole schema\n\n```json\n{text}\n```"


def _exit_codes() -> str:
    from idverify.cli import ExitCode

    return _table(["exit code", "name"], [[str(int(code)), code.name.lower()] for code in ExitCode])


def _page_problems() -> str:
    words = tomllib.loads((SOURCE / "idverify/service/pages/words/en.toml").read_text("utf-8"))
    rows = [
        [f"`{code}`", said["title"], " ".join([said["message"], *said["steps"]])]
        for code, said in words["problem"].items()
    ]
    return _table(["code", "title", "what it says"], rows).replace("{n}", "so many")


def _case_states() -> str:
    from idverify.service.case_policy import load_case_policy
    from idverify.service.case_states import CLOSED, NEXT_STEPS, CaseState

    deadlines = load_case_policy().deadlines_s
    head = ["state", "next step", "who", "within"]
    rows = [
        [f"`{state.value}`", f"`{step.step}`", step.who.value, _hours(deadlines[step.deadline])]
        for state, step in NEXT_STEPS.items()
    ]
    return _table(
        head, [*rows, *([f"`{state.value}`", "none: the end", "", ""] for state in CaseState if state in CLOSED)]
    )


def _case_policy() -> str:
    from idverify.service.case_policy import load_case_policy

    policy = load_case_policy()
    rows = [
        ["`judged_rejections`", f"{policy.judged_rejections}; then the case goes to `review`"],
        ["`window_s`", f"{_hours(policy.window_s)}; how long a rejection counts"],
        [
            "`delays_s`",
            ", ".join(f"{delay:g} s" for delay in policy.delays_s) + "; after the first, second, ... rejection",
        ],
        ["`address_rejections`", f"{policy.address_rejections}; from one network, over all accounts"],
        ["`evidence_s`", ", ".join(f"{name}: {_hours(long)}" for name, long in policy.evidence_s.items())],
        ["`retention_s`", ", ".join(f"{name}: {_hours(long)}" for name, long in policy.retention_s.items())],
    ]
    return _table(["rule", "as shipped"], rows)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:g} hours" if seconds < 48 * 3600 else f"{seconds / 86400:g} days"


SECTIONS: dict[str, Callable[[], str]] = {
    "policies": _policies,
    "reasons": _reasons,
    "models": _models,
    "schema": _schema,
    "exit codes": _exit_codes,
    "problems of the page": _page_problems,
    "states of a case": _case_states,
    "case policy": _case_policy,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every place by its section; an unknown name stops the build."""
    return PLACE.sub(lambda match: SECTIONS[match["name"]](), markdown)
