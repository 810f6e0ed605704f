"""JUnit XML: a suite for the portal and one for each course database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from pyreplctl.core.texts import printable
from pyreplctl.verify.findings import Finding
from pyreplctl.verify.run import KINDS, Database, Run

# What XML 1.0 cannot hold; `printable` takes away what it could and should not.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(run: Run) -> str:
    """Return the XML: a test case for each object and for each kind of difference.

    What differs is a failure; a database that could not be looked at is an error.
    """
    root = ET.Element("testsuites", name="pyreplctl verify")
    stamp = run.at.strftime("%Y-%m-%dT%H:%M:%S")
    if run.portal is not None:
        suite = _suite(root, "portal", stamp)
        _structure(suite, "portal", run.portal)
        _count(suite, 0.0)
    for database in run.databases:
        suite = _suite(root, database.name, stamp)
        _structure(suite, database.name, database.items)
        _data(suite, database)
        case = _case(suite, database.name, "could be looked at")
        if database.error:
            _problem(case, "error", database.error, database.error)
        _count(suite, float(database.number("seconds") or 0.0))
    for name in ("tests", "failures", "errors", "skipped"):
        total = sum(int(suite.get(name, "0")) for suite in root)
        root.set(name, str(total))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _suite(root: ET.Element, name: str, stamp: str) -> ET.Element:
    return ET.SubElement(
        root, "testsuite", name=_clean(name), timestamp=stamp, hostname="portal"
    )


def _count(suite: ET.Element, seconds: float) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    suite.set("time", f"{seconds:.3f}")


def _structure(suite: ET.Element, place: str, items: Sequence[Finding]) -> None:
    for item in items:
        case = _case(suite, f"{place}.structure", item.object)
        if item.state != "current":
            _problem(case, "failure", f"{item.state}: {item.detail}", item.detail)


def _data(suite: ET.Element, database: Database) -> None:
    if database.data is None:
        return
    for kind in KINDS:
        case = _case(suite, f"{database.name}.data", f"no user is {kind}")
        count = database.number(kind)
        if count is None:
            _problem(case, "skipped", "could not be looked at", "")
        elif count:
            listed = [
                f"user {each.user_id}: {each.table}"
                + (f" ({', '.join(each.columns)})" if each.columns else "")
                for each in database.data.examples
                if each.kind == kind
            ]
            _problem(case, "failure", f"{kind}: {count}", "\n".join(listed))


def _case(suite: ET.Element, place: str, name: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=_clean(place), name=_clean(name), time="0"
    )


def _problem(case: ET.Element, kind: str, message: str, text: str) -> None:
    found = ET.SubElement(case, kind, message=_clean(message))
    found.text = _clean(text) or None


def _clean(text: str) -> str:
    return printable(_FORBIDDEN.sub("\ufffd", text))
