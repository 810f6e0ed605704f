"""What a platform does in a transaction: one deed each, chosen and filled by chance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, LiteralString

from tests.failure.ground import COURSES, USERS
from tests.support.platform import Connection

Deed = Callable[[Random, Connection], object]

_TEXTS = (
    "plain",
    "",
    "O'Hara",
    'a"b',
    "{x,y}",
    "back\\slash",
    "NULL",
    "é\u2028漢",
    "(,)",
)


def _user(chance: Random) -> int:
    return chance.randint(1, USERS)


def _text(chance: Random) -> str:
    return f"{chance.choice(_TEXTS)}{chance.randrange(1000)}"


def _run(connection: Connection, statement: LiteralString, *values: Any) -> None:
    connection.execute(statement, values)


def edit(chance: Random, connection: Connection) -> None:
    _run(
        connection,
        "UPDATE auth_user SET email = %s, first_name = %s, is_staff = %s WHERE id = %s",
        _text(chance),
        _text(chance),
        chance.random() < 0.5,
        _user(chance),
    )


def edit_many(chance: Random, connection: Connection) -> None:
    first = _user(chance)
    _run(
        connection,
        "UPDATE auth_user SET last_name = %s WHERE id BETWEEN %s AND %s",
        _text(chance),
        first,
        first + chance.choice((5, 30, 100)),
    )


def edit_nothing(chance: Random, connection: Connection) -> None:
    _run(connection, "UPDATE auth_user SET email = email WHERE id = %s", _user(chance))


def edit_profile(chance: Random, connection: Connection) -> None:
    _run(
        connection,
        "UPDATE auth_userprofile SET name = %s, goals = %s WHERE user_id = %s",
        _text(chance),
        chance.choice((None, "", "goal")),
        _user(chance),
    )


def replace_profile(chance: Random, connection: Connection) -> None:
    user = _user(chance)
    _run(connection, "DELETE FROM auth_userprofile WHERE user_id = %s", user)
    _insert_profile(connection, user, _text(chance))


def _insert_profile(connection: Connection, user: int, name: str) -> None:
    _run(
        connection,
        "INSERT INTO auth_userprofile (user_id, name, meta, courseware, language,"
        " location) SELECT id, %s, '', 'course.xml', '', '' FROM auth_user"
        " WHERE id = %s ON CONFLICT DO NOTHING",
        name,
        user,
    )


def enroll(chance: Random, connection: Connection) -> None:
    first = _user(chance)
    _run(
        connection,
        "INSERT INTO student_courseenrollment (user_id, course_id, created)"
        " SELECT id, %s, '2012-10-01 00:00+00' FROM auth_user"
        " WHERE id BETWEEN %s AND %s ON CONFLICT DO NOTHING",
        chance.choice(COURSES),
        first,
        first + chance.choice((0, 0, 0, 8)),
    )


def unenroll(chance: Random, connection: Connection) -> None:
    first = _user(chance)
    _run(
        connection,
        "DELETE FROM student_courseenrollment"
        " WHERE course_id = %s AND user_id BETWEEN %s AND %s",
        chance.choice(COURSES),
        first,
        first + chance.choice((0, 0, 0, 8)),
    )


def move(chance: Random, connection: Connection) -> None:
    """Move an enrollment to another course: the same row."""
    to = chance.choice(COURSES)
    _run(
        connection,
        "UPDATE student_courseenrollment e SET course_id = %s"
        " WHERE e.user_id = %s AND e.course_id = %s AND NOT EXISTS ("
        "SELECT FROM student_courseenrollment o"
        " WHERE o.user_id = e.user_id AND o.course_id = %s)",
        to,
        _user(chance),
        chance.choice(COURSES),
        to,
    )


def hand_over(chance: Random, connection: Connection) -> None:
    """Give an enrollment to another user: the same row."""
    to = _user(chance)
    _run(
        connection,
        "UPDATE student_courseenrollment e SET user_id = %s"
        " WHERE e.user_id = %s AND e.course_id = %s AND NOT EXISTS ("
        "SELECT FROM student_courseenrollment o"
        " WHERE o.user_id = %s AND o.course_id = e.course_id)",
        to,
        _user(chance),
        chance.choice(COURSES),
        to,
    )


def delete_user(chance: Random, connection: Connection) -> None:
    user = _user(chance)
    for statement in (
        "DELETE FROM student_courseenrollment WHERE user_id = %s",
        "DELETE FROM auth_userprofile WHERE user_id = %s",
        "DELETE FROM auth_user WHERE id = %s",
    ):
        _run(connection, statement, user)


def create_user(chance: Random, connection: Connection) -> None:
    """Create a user whose id is free, the same person as before or another one."""
    user = _user(chance)
    other = chance.random() < 0.5
    name = f"person{chance.randrange(10**6)}" if other else f"user{user}"
    _run(
        connection,
        "INSERT INTO auth_user SELECT %s, %s, 'New', '', '', '', false, true, false,"
        " '2012-09-01 12:00+00', %s ON CONFLICT DO NOTHING",
        user,
        name,
        f"20{chance.randint(10, 20)}-01-01" if other else "2012-08-01 12:00+00",
    )
    _insert_profile(connection, user, "New Profile")
    _run(
        connection,
        "INSERT INTO student_courseenrollment (user_id, course_id) SELECT id, %s"
        " FROM auth_user WHERE id = %s ON CONFLICT DO NOTHING",
        chance.choice(COURSES),
        user,
    )


def exchange_names(chance: Random, connection: Connection) -> None:
    """Pass usernames round among two or three users."""
    users = chance.sample(range(1, USERS + 1), chance.choice((2, 2, 3)))
    names = [
        row[0]
        for user in users
        for row in connection.execute(
            "SELECT username FROM auth_user WHERE id = %s FOR UPDATE", (user,)
        )
    ]
    if len(names) < len(users):
        return
    statement: LiteralString = "UPDATE auth_user SET username = %s WHERE id = %s"
    _run(connection, statement, f"~{users[0]}", users[0])
    for user, name in zip(users[1:], names, strict=False):
        _run(connection, statement, name, user)
    _run(connection, statement, names[-1], users[0])


def rename(chance: Random, connection: Connection) -> None:
    """Take one of few names, which somebody else has perhaps just given up."""
    name = f"wanted{chance.randrange(6)}"
    user = _user(chance)
    _run(
        connection,
        "UPDATE auth_user SET username = %s WHERE id = %s AND NOT EXISTS ("
        "SELECT FROM auth_user b WHERE b.username = %s)",
        name,
        user,
        name,
    )


def give_up_name(chance: Random, connection: Connection) -> None:
    _run(
        connection,
        "UPDATE auth_user SET username = %s || id WHERE username = %s",
        f"former{chance.randrange(10**6)}_",
        f"wanted{chance.randrange(6)}",
    )


def rekey(chance: Random, connection: Connection) -> None:
    """Give a user an id that is free, with all that belongs to it."""
    old, new = _user(chance), _user(chance)
    done = connection.execute(
        "UPDATE auth_user SET id = %s WHERE id = %s AND NOT EXISTS ("
        "SELECT FROM auth_user b WHERE b.id = %s)",
        (new, old, new),
    )
    if done.rowcount:
        for statement in (
            "UPDATE auth_userprofile SET user_id = %s WHERE user_id = %s",
            "UPDATE student_courseenrollment SET user_id = %s WHERE user_id = %s",
        ):
            connection.execute(statement.encode(), (new, old))


def truncate(chance: Random, connection: Connection) -> None:
    """Empty a table; refused by capture where the isolation level hides rows."""
    _run(
        connection,
        chance.choice(
            ("TRUNCATE student_courseenrollment", "TRUNCATE auth_userprofile")
        ),
    )


DEEDS: dict[Deed, float] = {
    edit: 20,
    edit_many: 4,
    edit_nothing: 3,
    edit_profile: 10,
    replace_profile: 4,
    enroll: 18,
    unenroll: 12,
    move: 8,
    hand_over: 4,
    delete_user: 4,
    create_user: 12,
    exchange_names: 5,
    rename: 4,
    give_up_name: 4,
    rekey: 2,
    truncate: 0.05,
}
