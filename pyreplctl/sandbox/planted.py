"""What the self-test plants: differences of data, and damage to objects."""

from __future__ import annotations

from typing import LiteralString, NamedTuple

USER = "public.auth_user"
PROFILE = "public.auth_userprofile"
ENROLLMENT = "public.student_courseenrollment"


class Plant(NamedTuple):
    """A difference: what is done at the course, and what is to be found of it."""

    name: str
    statement: LiteralString
    found: tuple[str, ...]


# Each about a user of its own; where it says so nothing is to be found.
DATA = (
    Plant(
        "another e-mail",
        "UPDATE auth_user SET email = 'other' WHERE id = 1",
        (f"user 1 stale {USER} email",),
    ),
    Plant(
        "another case",
        "UPDATE auth_user SET username = upper(username) WHERE id = 2",
        (f"user 2 stale {USER} username",),
    ),
    Plant(
        "empty instead of NULL",
        "UPDATE auth_userprofile SET goals = '' WHERE user_id = 3",
        (f"user 3 stale {PROFILE} goals",),
    ),
    Plant(
        "a microsecond",
        "UPDATE student_courseenrollment SET created = created + interval '1 us'"
        " WHERE user_id = 4",
        (f"user 4 stale {ENROLLMENT} created",),
    ),
    Plant(
        "a flag",
        "UPDATE auth_user SET is_staff = NOT is_staff WHERE id = 5",
        (f"user 5 stale {USER} is_staff",),
    ),
    Plant(
        "no profile",
        "DELETE FROM auth_userprofile WHERE user_id = 6",
        (f"user 6 missing {PROFILE}",),
    ),
    Plant(
        "no enrollment",
        "DELETE FROM student_courseenrollment WHERE user_id = 7",
        (f"user 7 missing {ENROLLMENT}",),
    ),
    Plant(
        "nothing of a member",
        "DELETE FROM student_courseenrollment WHERE user_id = 8;"
        " DELETE FROM auth_userprofile WHERE user_id = 8;"
        " DELETE FROM auth_user WHERE id = 8",
        (
            f"user 8 missing {USER}",
            f"user 8 missing {PROFILE}",
            f"user 8 missing {ENROLLMENT}",
        ),
    ),
    Plant(
        "an enrollment that nobody made",
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (900, 9, 'edX/other')",
        (f"user 9 extra {ENROLLMENT}",),
    ),
    Plant(
        "a copy that the portal never had",
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (901, 'ghost', '', '', '', '', false, true, false, now(), now());"
        " SELECT pyrepl.adopt('{901}', '{0}', '{true}', ARRAY("
        "SELECT json_populate_record(NULL::pyrepl.user_row, to_json(u))"
        " FROM auth_user u WHERE u.id = 901))",
        (f"user 901 extra {USER}",),
    ),
    Plant(
        "an account of the course's own",
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (902, 'admin', '', '', '', '', true, true, true, now(), now())",
        (),
    ),
    Plant(
        "a login at the course",
        "UPDATE auth_user SET last_login = now() WHERE id = 10",
        (),
    ),
)


class Damage(NamedTuple):
    """Something of the structure: where, what is done, what is found, how it ends."""

    name: str
    where: str
    statement: LiteralString
    found: tuple[str, ...]
    undo: LiteralString = ""


STRUCTURE = (
    Damage(
        "a trigger disabled",
        "portal",
        "ALTER TABLE auth_user DISABLE TRIGGER pyrepl_update",
        ("triggers public.auth_user disabled", f"rows {USER} outdated"),
    ),
    Damage(
        "a trigger dropped",
        "portal",
        "DROP TRIGGER pyrepl_insert ON student_courseenrollment",
        (
            "triggers public.student_courseenrollment missing",
            f"rows {ENROLLMENT} outdated",
        ),
    ),
    Damage(
        "a function edited",
        "portal",
        "ALTER FUNCTION pyrepl.members(integer) RESET search_path",
        ("function members edited",),
    ),
    Damage(
        "an older function",
        "portal",
        "SELECT pyrepl.record_objects('{function}', '{members}', '{\"\"}')",
        ("function members outdated",),
    ),
    Damage(
        "a function of nobody",
        "portal",
        "CREATE FUNCTION pyrepl.mine() RETURNS void LANGUAGE sql AS ''",
        ("function mine orphan",),
        "DROP FUNCTION pyrepl.mine()",
    ),
    Damage(
        "a grant to PUBLIC",
        "portal",
        "GRANT EXECUTE ON FUNCTION pyrepl.route() TO PUBLIC",
        ("function route edited",),
    ),
    Damage(
        "an index dropped",
        "portal",
        "DROP INDEX pyrepl.outbox_claim",
        ("index outbox_claim of table outbox missing",),
        "CREATE INDEX outbox_claim ON pyrepl.outbox (database_id, priority, id)"
        " WHERE id > 0",
    ),
    Damage(
        "a time-out of the link lost",
        "link",
        "ALTER SERVER pyrepl_1 OPTIONS (DROP connect_timeout)",
        ("server pyrepl_1 edited",),
    ),
    Damage(
        "a wrong password",
        "link",
        "ALTER USER MAPPING FOR pyrepl_owner SERVER pyrepl_1"
        " OPTIONS (SET password 'wrong')",
        ("mapping pyrepl_1 edited",),
    ),
    Damage(
        "a column added on one side",
        "portal",
        "ALTER TABLE auth_userprofile ADD COLUMN bio text",
        ("contract outdated",),
        "ALTER TABLE auth_userprofile DROP COLUMN bio",
    ),
    Damage(
        "a guard trigger dropped",
        "course",
        "DROP TRIGGER pyrepl_guard ON auth_user",
        ("triggers public.auth_user missing", f"rows {USER} outdated"),
    ),
    Damage(
        "a child of a table",
        "course",
        "CREATE TABLE public.heir () INHERITS (auth_user)",
        ("platform table public.auth_user edited",),
        "DROP TABLE public.heir",
    ),
    Damage(
        "a table that a crash empties",
        "portal",
        "ALTER TABLE student_courseenrollment SET UNLOGGED",
        ("platform table public.student_courseenrollment edited",),
        "ALTER TABLE student_courseenrollment SET LOGGED",
    ),
    Damage(
        "a column that is too short",
        "course",
        "ALTER TABLE auth_userprofile ALTER COLUMN name TYPE varchar(200)",
        ("column public.auth_userprofile.name outdated", f"rows {PROFILE} outdated"),
        "ALTER TABLE auth_userprofile ALTER COLUMN name TYPE varchar(255)",
    ),
    Damage("no inbox", "course", "DROP VIEW pyrepl.inbox", ("view inbox missing",)),
    Damage(
        "another apply",
        "course",
        "ALTER FUNCTION pyrepl.apply() RESET row_security",
        ("function apply edited",),
    ),
    Damage(
        "a registry that all may write",
        "course",
        "GRANT INSERT ON pyrepl.copy TO PUBLIC",
        ("table copy edited",),
    ),
    Damage(
        "a right taken away",
        "course",
        "DO $$ BEGIN EXECUTE format('REVOKE UPDATE ON auth_user FROM %I',"
        " (SELECT pg_get_userbyid(nspowner) FROM pg_namespace"
        " WHERE nspname = 'pyrepl')); END $$",
        ("grant public.auth_user missing",),
    ),
)
