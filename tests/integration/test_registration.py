from __future__ import annotations

import psycopg

from tests.conftest import NewCourse
from tests.platform import Platform

TOY = "edX/toy/2012_Fall"


def test_registration_tells_how_to_keep_ids_apart(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    _, first = platform.register(dsn, TOY)
    assert [s.split()[2] for s in first.sequences] == [
        "public.auth_user_id_seq",
        "public.auth_userprofile_id_seq",
        "public.student_courseenrollment_id_seq",
    ]


def test_the_statements_it_gives_keep_them_apart(
    platform: Platform, new_course: NewCourse
) -> None:
    _, told = platform.register(new_course(), TOY)
    dsn = new_course()
    with psycopg.connect(dsn, autocommit=True) as course:
        for statement in told.sequences:
            course.execute(statement.encode())
    _, done = platform.register(dsn, "edX/other")
    assert done.sequences == ()
