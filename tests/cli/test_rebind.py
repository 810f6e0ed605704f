from __future__ import annotations

from uuid import uuid4

from tests.cli.run import Cli
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"


def test_a_course_that_is_bound_anew_is_verified(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    platform.deliver()
    platform.execute("UPDATE pyrepl.chain SET tag = %s", uuid4())
    platform.execute("UPDATE auth_user SET email = 'new'")
    refused = cli("deliver", "--until-empty")
    assert refused.code == 1
    assert "course refresh --rebind" in refused.err
    assert cli("status").code == 3

    done = cli("course", "refresh", "--rebind", course.name)
    assert done.code == 0
    assert "2 users verified" in done.out
    assert cli("status").code == 0


def test_what_still_differs_after_that_is_told(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    # Deferred: apply sees what it has written; what comes of that, verify does.
    course.execute(
        "CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE public.auth_user SET email = 'tidy'; RETURN NULL; END $$;"
        " CREATE CONSTRAINT TRIGGER tidy AFTER UPDATE ON auth_user DEFERRABLE"
        " INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.email <> 'tidy')"
        " EXECUTE FUNCTION tidy()"
    )
    platform.execute("UPDATE auth_user SET email = 'new'")
    done = cli("course", "refresh", "--rebind", course.name)
    assert done.code == 1
    assert f"pyreplctl verify {course.name}" in done.err
