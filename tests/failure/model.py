"""What a course database must hold, in plain Python: written from DESIGN.md alone.

The model sees the portal's committed rows after every commit, and what a course held
whenever all was delivered. It says nothing of what is on its way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyreplctl.core.config import Policy

Row = tuple[object, ...]
_ACTIVE = 7  # where is_active stands in a row of auth_user


@dataclass(frozen=True)
class User:
    """A row of auth_user. `person` never changes.

    `incarnation` counts insertions and changes of the id: to a course either is
    somebody new, even if an id that was given away is taken back.
    """

    row: Row
    person: object
    incarnation: int


@dataclass(frozen=True)
class Truth:
    """The portal's committed rows: users and profiles by user, enrollments by id."""

    users: dict[int, User]
    profiles: dict[int, Row]
    enrollments: dict[int, tuple[int, str, Row]]


@dataclass(frozen=True)
class Held:
    """What a course database holds; `blank` are users of whom nothing is left."""

    users: dict[int, Row]
    profiles: dict[int, Row]
    enrollments: dict[int, Row]
    blank: frozenset[int] = frozenset()
    referred: frozenset[int] = frozenset()


@dataclass
class CourseModel:
    """One course database: which courses it hosts, and what it may have been sent.

    It may have been sent what was never committed. Who is a member there alone may then
    stay, as somebody who has left; and what is kept as it was may be kept as that.
    """

    keys: set[str]
    policy: Policy
    members_ever: set[tuple[int, object]] = field(default_factory=set)
    versions: dict[int, set[Row]] = field(default_factory=lambda: defaultdict(set))
    profiles: dict[int, set[Row]] = field(default_factory=lambda: defaultdict(set))
    kept: dict[int, int] = field(default_factory=dict)

    def members(self, truth: Truth) -> set[int]:
        """Return the users with an enrollment in a course that is hosted here."""
        return {
            user
            for user, course, _ in truth.enrollments.values()
            if course in self.keys and user in truth.users
        }

    def see(self, truth: Truth) -> None:
        """Take note of a commit at the portal, or of a course that has moved.

        Or of what a writer may have sent that was lost before its own COMMIT.
        """
        for user in self.members(truth):
            self.members_ever.add((user, truth.users[user].person))
        for user, found in truth.users.items():
            self.versions[user] |= {found.row, _inactive(found.row)}
        for user, row in truth.profiles.items():
            self.profiles[user].add(row)

    def problems(self, truth: Truth, held: Held) -> Iterator[str]:
        """Yield what is wrong, once all is delivered."""
        alive = held.users.keys() - held.blank
        yield from self._missing(truth, held, alive)
        members = self.members(truth)
        for user in sorted(alive):
            as_it_was = user not in truth.users or (
                self.policy.on_unenroll == "freeze" and user not in members
            )
            if user in truth.users:
                yield from self._problems_of_user(truth, held, user, user in members)
            elif self.policy.on_user_delete == "erase":
                yield f"user {user} was deleted and is still there"
            if as_it_was and held.users[user] not in self.versions[user]:
                yield f"user {user} never was {held.users[user]}"
            here, there = truth.profiles.get(user), held.profiles.get(user)
            if here != there and not (
                as_it_was and (there is None or there in self.profiles[user])
            ):
                yield f"profile of {user} is {there}, should be {here}"
        for user in sorted(held.profiles.keys() - alive):
            yield f"profile of {user}, of whom there should be none"
        expected = {
            number: row
            for number, (user, course, row) in truth.enrollments.items()
            if course in self.keys and user in truth.users
        }
        for number in sorted(expected.keys() | held.enrollments.keys()):
            if expected.get(number) != held.enrollments.get(number):
                yield (
                    f"enrollment {number} is {held.enrollments.get(number)},"
                    f" should be {expected.get(number)}"
                )

    def _missing(self, truth: Truth, held: Held, alive: set[int]) -> Iterator[str]:
        for user in sorted(self.members(truth) - alive):
            yield f"member {user} is missing"
        for user in sorted(held.blank - held.referred):
            yield f"user {user} is blank, and nothing refers to it"
        if self.policy.on_unenroll != "delete":
            for user, incarnation in sorted(self.kept.items()):
                still = truth.users.get(user)
                if still and still.incarnation == incarnation and user not in alive:
                    yield f"the copy of {user}, who has left, is not kept"

    def _problems_of_user(
        self, truth: Truth, held: Held, user: int, member: bool
    ) -> Iterator[str]:
        now, policy = truth.users[user], self.policy.on_unenroll
        if not member:
            if policy == "delete":
                yield f"user {user} has left and is still there"
            if (user, now.person) not in self.members_ever:
                yield f"user {user} is here and was never a member"
        deactivated = policy == "deactivate" and not member
        expected = _inactive(now.row) if deactivated else now.row
        if held.users[user] != expected and (member or policy != "freeze"):
            yield f"user {user} is {held.users[user]}, should be {expected}"

    def settle(self, truth: Truth, held: Held) -> None:
        """Remember who is here, now that all is delivered and right."""
        self.kept = {
            user: truth.users[user].incarnation
            for user in held.users.keys() & truth.users.keys() - held.blank
        }


def _inactive(row: Row) -> Row:
    return (*row[:_ACTIVE], False, *row[_ACTIVE + 1 :])
