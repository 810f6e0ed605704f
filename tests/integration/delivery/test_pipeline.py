from __future__ import annotations

from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"


def test_an_enrollment_brings_the_person(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    platform.member(1, TOY)
    platform.deliver()
    assert (course.users, course.profiles) == ([1], [1])
    assert course.enrollments == [(1, TOY)]
    assert course.user(1)["username"] == "user1"
    platform.assert_equal()
