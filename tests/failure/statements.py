"""What the property test's transactions consist of: statements, and what fills them.

The values are named a, b, c and d, in the order in which they are listed.
"""

from __future__ import annotations

from typing import Any, LiteralString

from hypothesis import strategies as st
from psycopg import ClientCursor, IsolationLevel

from tests.failure.world import HOSTED, KEYS, SESSIONS
from tests.support.platform import Connection

Deed = tuple[Any, ...]
users = st.integers(1, 3)
keys = st.sampled_from(KEYS)
texts = st.sampled_from(["a", "b", "O'Hara {x,\"y\\", "NULL", "é漢"])
names = st.sampled_from(["ann", "bob", "cid"])
databases = st.sampled_from(sorted(HOSTED))
sessions = st.integers(0, SESSIONS - 1)
levels = st.sampled_from(
    [
        IsolationLevel.READ_COMMITTED,
        IsolationLevel.REPEATABLE_READ,
        IsolationLevel.SERIALIZABLE,
    ]
)

_EDIT: LiteralString = "UPDATE auth_user SET email = %(b)s WHERE id = %(a)s"
_EDIT_ALL: LiteralString = "UPDATE auth_user SET first_name = %(a)s"
_EDIT_PROFILE: LiteralString = (
    "UPDATE auth_userprofile SET name = %(b)s WHERE user_id = %(a)s"
)
_REPLACE_PROFILE: LiteralString = """
DELETE FROM auth_userprofile WHERE user_id = %(a)s;
INSERT INTO auth_userprofile (user_id, name, meta, courseware, language, location)
SELECT id, %(b)s, '', '', '', '' FROM auth_user WHERE id = %(a)s"""
_ENROLL: LiteralString = """
INSERT INTO student_courseenrollment (user_id, course_id)
SELECT id, %(b)s FROM auth_user WHERE id = %(a)s ON CONFLICT DO NOTHING"""
_ENROLL_ALL: LiteralString = """
INSERT INTO student_courseenrollment (user_id, course_id)
SELECT id, %(a)s FROM auth_user ON CONFLICT DO NOTHING"""
_UNENROLL: LiteralString = """
DELETE FROM student_courseenrollment WHERE user_id = %(a)s AND course_id = %(b)s"""
_MOVE: LiteralString = """
UPDATE student_courseenrollment SET course_id = %(c)s
WHERE user_id = %(a)s AND course_id = %(b)s"""
_HAND_OVER: LiteralString = """
UPDATE student_courseenrollment SET user_id = %(b)s
WHERE user_id = %(a)s AND course_id = %(c)s"""
_CREATE: LiteralString = """
INSERT INTO auth_user
SELECT %(a)s, %(b)s, 'First', 'Last', '', 'secret', false, true, false, '2012-09-01',
    %(c)s
ON CONFLICT DO NOTHING;
INSERT INTO student_courseenrollment (user_id, course_id)
SELECT id, %(d)s FROM auth_user WHERE id = %(a)s ON CONFLICT DO NOTHING"""
_DELETE: LiteralString = """
DELETE FROM student_courseenrollment WHERE user_id = %(a)s;
DELETE FROM auth_userprofile WHERE user_id = %(a)s;
DELETE FROM auth_user WHERE id = %(a)s"""
_RENAME: LiteralString = "UPDATE auth_user SET username = %(b)s WHERE id = %(a)s"
_EXCHANGE: LiteralString = """
CREATE TEMP TABLE before ON COMMIT DROP AS
SELECT id, username FROM auth_user WHERE id IN (%(a)s, %(b)s);
UPDATE auth_user SET username = '~' || id WHERE id IN (%(a)s, %(b)s);
UPDATE auth_user u SET username = b.username FROM before b
WHERE u.id IN (%(a)s, %(b)s)
    AND b.id = CASE (SELECT count(*) FROM before)
        WHEN 2 THEN %(a)s + %(b)s - u.id ELSE u.id END;
DROP TABLE before"""
_REKEY: LiteralString = """
UPDATE auth_user SET id = %(b)s, incarnation = DEFAULT WHERE id = %(a)s;
UPDATE auth_userprofile SET user_id = %(b)s WHERE user_id = %(a)s;
UPDATE student_courseenrollment SET user_id = %(b)s WHERE user_id = %(a)s"""

_persons = st.sampled_from(["2011-01-01", "2012-02-02"])
_STATEMENTS: dict[str, tuple[LiteralString, list[st.SearchStrategy[Any]]]] = {
    "edit": (_EDIT, [users, texts]),
    "edit everybody": (_EDIT_ALL, [texts]),
    "edit profile": (_EDIT_PROFILE, [users, texts]),
    "replace profile": (_REPLACE_PROFILE, [users, texts]),
    "enroll": (_ENROLL, [users, keys]),
    "enroll everybody": (_ENROLL_ALL, [keys]),
    "unenroll": (_UNENROLL, [users, keys]),
    "move": (_MOVE, [users, keys, keys]),
    "hand over": (_HAND_OVER, [users, users, keys]),
    "create": (_CREATE, [users, names, _persons, keys]),
    "delete": (_DELETE, [users]),
    "rename": (_RENAME, [users, names]),
    "exchange names": (_EXCHANGE, [users, users]),
    "give another id": (_REKEY, [users, users]),
    "truncate": ("TRUNCATE student_courseenrollment", []),
}
deeds = st.one_of(
    *(
        st.tuples(st.just(name), *arguments)
        for name, (_, arguments) in _STATEMENTS.items()
        if name != "truncate"
    )
)
# Left open, it would keep everybody waiting: deliveries as well as the test itself.
_brief = deeds | st.just(("truncate",))
transactions = st.lists(
    st.lists(_brief, min_size=1, max_size=3), min_size=1, max_size=5
)
troubles = st.sampled_from(["cut", "down", "pause", "refuse", "lose acknowledgement"])


def do(connection: Connection, deed: Deed) -> None:
    """Run the statements of a deed in the session's transaction."""
    name, *arguments = deed
    values = dict(zip("abcd", arguments, strict=False))
    ClientCursor(connection).execute(_STATEMENTS[name][0], values)
