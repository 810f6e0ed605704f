"""The first registration of a course database: prepared, linked, tried, entered."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from psycopg.conninfo import make_conninfo

from pyreplctl.core import databases
from pyreplctl.core.config import Config, Guard
from pyreplctl.core.db import Connection, driver_errors, without_secrets
from pyreplctl.core.errors import Error
from pyreplctl.courses import (
    binding,
    conninfo,
    guard,
    identity,
    links,
    prepare,
    unregister,
)
from pyreplctl.courses.hosting import host, without_anybody
from pyreplctl.courses.identity import Checked
from pyreplctl.courses.preflight import cascades, own_triggers, sequences_in_reach
from pyreplctl.courses.registered import Registered
from pyreplctl.courses.request import Request
from pyreplctl.courses.trial import AccountsInTheWay, accounts_in_the_way, trial_push
from pyreplctl.install import objects, roles
from pyreplctl.install.event_triggers import named_on_refusal
from pyreplctl.schema import portal_objects
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.link import Link
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import course_owner, link_roles


@dataclass
class FirstRegistration:
    """One registration of a database that the portal does not know yet."""

    portal: Connection
    course: Checked
    config: Config
    contract: Contract
    portal_identity: str
    name: str
    request: Request

    def register(self, keys: list[str], agreed: list[tuple[Any, ...]]) -> Registered:
        """Do all of it, or nothing: what was done at the course is taken back."""
        options = conninfo.conninfo(self.course, self.request.dsn, self.request.link)
        prepared = None
        try:
            with self.portal.transaction():
                roles.become_owner(self.portal)
                number, role = self._add(options)
                tag = uuid4()
                password = links.create(self.portal, Link(number, role), options)
                changes = self._prepare_course(number, role, tag, password, agreed)
                prepared = role
                with driver_errors("the course database"):
                    changes += guard.apply(self.course, self.config, course_owner(role))
                return self._link(number, tag, keys, changes)
        except BaseException:
            # Only now: the trial push has locks at the course until the portal's
            # transaction has ended.
            if prepared:
                with suppress(Error), driver_errors("the course database"):
                    unregister.remove(self.course, prepared)
            raise

    @property
    def _guard(self) -> Guard:
        return self.request.guard or self.config.policy.guard

    def _add(self, options: dict[str, str]) -> tuple[int, str]:
        """Enter the database on the portal; return its number and link role."""
        row = self.portal.execute(
            "SELECT id, link_role FROM pyrepl.add_database(%s, %s, %s, %s, %s, %s)",
            (
                self.name,
                self.contract.fingerprint,
                without_secrets(self.request.dsn),
                make_conninfo("", **options),
                self.request.adopt,
                self._guard,
            ),
        ).fetchone()
        assert row is not None
        return row[0], row[1]

    def _prepare_course(
        self,
        number: int,
        role: str,
        tag: object,
        password: str,
        agreed: list[tuple[Any, ...]],
    ) -> list[ObjectChange]:
        with (
            driver_errors("the course database"),
            named_on_refusal(self.course, "the course database"),
            self.course.transaction(),
        ):
            for ours in (*link_roles(role), course_owner(role)):
                links.refuse_role(self.course, ours)
            links.set_role_password(self.course, role, password)
            changes = prepare.prepare(
                self.course, self.config, self.contract, agreed, role
            )
            to = binding.Binding(self.portal_identity, number, role)
            fingerprint = self.contract.fingerprint
            binding.bind(self.course, to, fingerprint, tag, self._guard)
        return changes

    def _link(
        self,
        number: int,
        tag: object,
        keys: list[str],
        changes: list[ObjectChange],
    ) -> Registered:
        execute = self.portal.execute
        execute("SELECT pyrepl.begin_chain(%s, %s)", (number, tag))
        objects.apply(
            self.portal,
            portal_objects.database_objects(
                self.portal, self.config, self.contract, number
            ),
        )
        host(self.portal, number, keys)
        trial_push(self.portal, number)
        identity.keep(self.portal, self.course, number)
        same, others = accounts_in_the_way(self.portal, number)
        if (same or others) and not self.request.adopt:
            raise AccountsInTheWay(self.name, same, others)
        if self.request.backfill:
            databases.backfill(self.portal, [number])
        done = Registered(
            name=self.name,
            created=True,
            courses=tuple(keys),
            adopting=tuple(same),
            in_the_way=tuple(others),
            own_triggers=tuple(own_triggers(self.course, self.config)),
            cascades=tuple(cascades(self.course, self.config)),
            sequences=tuple(sequences_in_reach(self.course, self.config)),
            nobody=tuple(without_anybody(self.portal, keys)),
            changes=changes,
        )
        execute("SELECT pyrepl.lock_hosting()")
        return done
