"""What `init` writes: the configuration of the platforms that we know."""

from __future__ import annotations

from typing import Literal

from pyreplctl.core.config import EXAMPLE

Platform = Literal["edx2012", "openedx", "django"]

_HEAD = EXAMPLE.partition("\n")[0]
_ACTIVE = '# active = "is_active"'

# What is another than in EXAMPLE: (there, here).
_DIFFERENCES: dict[Platform, tuple[tuple[str, str], ...]] = {
    "edx2012": (),
    # It unenrolls by is_active = false, and keeps the row.
    "openedx": (
        (_HEAD, "# pyreplctl.toml for Open edX. Remove what you do not change."),
        (_ACTIVE, 'active = "is_active"'),
    ),
    # Of Django itself there is auth_user; the other two are the project's own.
    "django": (
        (_HEAD, "# pyreplctl.toml for a project with Django's own auth_user."),
        (
            '[tables.profile]\nname = "public.auth_userprofile"',
            """# With a OneToOneField to User. Name yours.
[tables.profile]
name = "public.accounts_profile\"""",
        ),
        (
            '[tables.enrollment]\nname = "public.student_courseenrollment"',
            """# What makes a user a member of a course. Name yours.
[tables.enrollment]
name = "public.courses_enrollment\"""",
        ),
        # A course app on a newer Django hashes anew when somebody logs in.
        (
            'guard_exempt = ["last_login"]',
            'guard_exempt = ["last_login", "password"]',
        ),
    ),
}


def example(platform: Platform) -> str:
    """Return the configuration of a platform, each key explained."""
    text = EXAMPLE
    for there, here in _DIFFERENCES[platform]:
        assert text.count(there) == 1
        text = text.replace(there, here)
    return text
