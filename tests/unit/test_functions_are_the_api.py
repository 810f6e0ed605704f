"""Python writes no table of schema pyrepl, and takes a role only to make objects."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pyreplctl

ROOT = Path(pyreplctl.__file__).parent
MODULES = {path.relative_to(ROOT).as_posix(): path for path in ROOT.rglob("*.py")}

# A table of ours, or one that a slot names: whose it is could not be seen here.
_WRITES = re.compile(
    r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(\s+TABLE)?)\s+"
    r'(ONLY\s+)?("?pyrepl"?\.|\{)',
    re.IGNORECASE,
)
_SWITCHES = re.compile(
    r"\bSET\s+((LOCAL|SESSION)\s+)?ROLE\b|\bSESSION\s+AUTHORIZATION\b"
    r"|set_config\(\s*'role'",
    re.IGNORECASE,
)

# Where a string may switch the role, and why.
SWITCHES = {
    "core/restricted.py": "the owner reads and runs what is his, and the way back",
    "install/roles.py": "become_owner, for those below, and the way back",
    "install/script.py": "the text that `pyreplctl sql` prints; nothing of it is run",
    "sandbox/selftest.py": "plants damage that the guard would refuse",
    "sandbox/demo/trouble.py": "shows how an operator gets past the guard",
}
# What may call become_owner. What is created must belong to pyrepl_owner, and only its
# maker can say so: functions, types, views, tables (by migrations) and links. Rows are
# written by functions, which run as their owner whoever calls them. The only rows that
# none writes are yoyo's.
MAKERS = {
    "install/portal.py": "migrations, types and functions of the portal",
    "courses/prepare.py": "the same at a course",
    "courses/first_registration.py": "link and functions of a new course database",
    "courses/refresh.py": "links and functions, made again",
    "courses/move.py": "links that lead elsewhere from now on",
    "courses/delivery_mode.py": "the link of immediate delivery",
    "courses/unregister.py": "links and functions are dropped",
    "verify/repair_structure.py": "links, and what else verify found edited",
}


def strings(source: str) -> Iterator[str]:
    """Yield the texts of a module, literals side by side as one, slots as {}."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node.value
            elif isinstance(node.value, bytes):
                yield node.value.decode("latin-1")
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}"
                for part in node.values
            )


def offences(source: str, rule: re.Pattern[str]) -> list[str]:
    return [match[0] for text in strings(source) for match in rule.finditer(text)]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_writes_a_table_of_ours(name: str) -> None:
    assert offences(MODULES[name].read_text(), _WRITES) == []


@pytest.mark.parametrize("name", sorted(MODULES.keys() - SWITCHES.keys()))
def test_no_other_module_switches_its_role(name: str) -> None:
    assert offences(MODULES[name].read_text(), _SWITCHES) == []


def test_only_what_makes_objects_becomes_their_owner() -> None:
    callers = {
        name
        for name, path in MODULES.items()
        if "become_owner(" in path.read_text() and name != "install/roles.py"
    }
    assert callers == MAKERS.keys()


def test_each_exception_is_still_needed() -> None:
    needed = {
        name for name in MODULES if offences(MODULES[name].read_text(), _SWITCHES)
    }
    assert needed == SWITCHES.keys()


@pytest.mark.parametrize(
    "planted",
    [
        'c.execute("INSERT INTO pyrepl.change (users) VALUES (NULL)")',
        'c.execute("update  pyrepl.health h SET retry_at = NULL")',
        'c.execute(b"DELETE FROM ONLY pyrepl.outbox")',
        'c.execute("DELETE FROM"\n    " pyrepl.outbox")',
        'c.execute(f"DELETE FROM pyrepl.{table}")',
        'c.execute(f"DELETE FROM {schema}.outbox")',
        'sql.SQL("UPDATE {} SET x = 1").format(sql.Identifier("pyrepl", "health"))',
        "c.execute('TRUNCATE \"pyrepl\".change')",
    ],
)
def test_a_planted_write_is_found(planted: str) -> None:
    assert offences(planted, _WRITES)


@pytest.mark.parametrize(
    "planted",
    [
        'c.execute("SET ROLE pyrepl_owner")',
        'c.execute("set local role" " pyrepl_owner")',
        'c.execute("SET SESSION AUTHORIZATION pyrepl_owner")',
        "c.execute(\"SELECT set_config('role', 'pyrepl_owner', true)\")",
    ],
)
def test_a_planted_switch_is_found(planted: str) -> None:
    assert offences(planted, _SWITCHES)


@pytest.mark.parametrize(
    "innocent",
    [
        'c.execute("SELECT pyrepl.queue_members(%s, NULL)")',
        "c.execute(\"UPDATE auth_user SET email = 'x'\")",
        'c.execute("RESET ROLE")',
        'c.execute("GRANT UPDATE ON pyrepl.inbox TO x")',
    ],
)
def test_what_is_allowed_is_not(innocent: str) -> None:
    assert offences(innocent, _WRITES) + offences(innocent, _SWITCHES) == []
