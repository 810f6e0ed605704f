"""What a course database must hold, in plain Python: written from DESIGN.md alone.

The model sees the portal's committed rows after every commit, and what a course held
whenever all was delivered. It says nothing of what is on its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Row = tuple[object, ...]


@dataclass(frozen=True)
class User:
    """A row of auth_user. `incarnation` counts insertions, `person` never changes."""

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
    """One course database: which courses it hosts, and who was ever a member."""

    name: str
    keys: set[str]
    members_ever: set[tuple[int, object]] = field(default_factory=set)
    kept: dict[int, int] = field(default_factory=dict)

    def members(self, truth: Truth) -> set[int]:
        """Return the users with an enrollment in a course that is hosted here."""
        return {
            user
            for user, course, _ in truth.enrollments.values()
            if course in self.keys and user in truth.users
        }

    def see(self, truth: Truth) -> None:
        """Take note of a commit at the portal, or of a course that has moved."""
        for user in self.members(truth):
            self.members_ever.add((user, truth.users[user].person))

    def problems(self, truth: Truth, held: Held) -> Iterator[str]:
        """Yield what is wrong, once all is delivered."""
        members = self.members(truth)
        alive = held.users.keys() - held.blank
        yield from self._problems_of_users(truth, held, members, alive)
        for user in sorted(alive & truth.users.keys()):
            here, there = truth.profiles.get(user), held.profiles.get(user)
            if here != there:
                yield f"profile of {user} is {there}, should be {here}"
        for user in sorted(held.profiles.keys() - (alive & truth.users.keys())):
            yield f"profile of {user}, of whom there should be none"
        expected = {
            number: row
            for number, (user, course, row) in truth.enrollments.items()
            if course in self.keys and user in truth.users
        }
        for number in sorted(expected.keys() | held.enrollments.keys()):
            here, there = expected.get(number), held.enrollments.get(number)
            if here != there:
                yield f"enrollment {number} is {there}, should be {here}"

    def _problems_of_users(
        self, truth: Truth, held: Held, members: set[int], alive: set[int]
    ) -> Iterator[str]:
        for user in sorted(members - alive):
            yield f"member {user} is missing"
        for user in sorted(held.blank - held.referred):
            yield f"user {user} is blank, and nothing refers to it"
        for user in sorted(alive):
            expected = truth.users.get(user)
            if expected is None:
                yield f"user {user} was deleted and is still there"
            elif held.users[user] != expected.row:
                yield f"user {user} is {held.users[user]}, should be {expected.row}"
            elif (user, expected.person) not in self.members_ever:
                yield f"user {user} is here and was never a member"
        for user, incarnation in sorted(self.kept.items()):
            still = truth.users.get(user)
            if still and still.incarnation == incarnation and user not in alive:
                yield f"the copy of {user}, who has left, is not kept"

    def settle(self, truth: Truth, held: Held) -> None:
        """Remember who is here, now that all is delivered and right."""
        self.kept = {
            user: truth.users[user].incarnation
            for user in held.users.keys() - held.blank
        }
