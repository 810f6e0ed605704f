from __future__ import annotations

from tests.platform import Platform

TOY = "edX/toy/2012_Fall"


def test_rows_are_at_the_course_when_commit_returns(immediate: Platform) -> None:
    course = immediate.course(TOY, delivery="immediate")
    immediate.member(1, TOY)
    assert course.users == [1]
    assert course.profiles == [1]
    assert course.enrollments == [(1, TOY)]
    immediate.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 1")
    assert course.user(1)["email"] == "new@example.com"
    immediate.unenroll(1, TOY)
    assert course.enrollments == []
    assert immediate.rows("SELECT count(*) FROM pyrepl.change") == [(0,)]
    assert immediate.rows("SELECT count(*) FROM pyrepl.outbox") == [(0,)]
    immediate.assert_equal()
