"""One writing process of `signals`: a program, since Django is configured once.

Reads its orders as JSON on standard input; prints saves a second.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

import django
from django.conf import settings

COPIED = (
    *("id", "username", "first_name", "last_name", "email", "password", "is_staff"),
    *("is_active", "is_superuser", "last_login", "date_joined"),
)


def configure(databases: dict[str, dict[str, str]]) -> None:
    """Point Django at the databases; the portal is the default one."""
    made = {
        "default" if name == "portal" else name: {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": given["dbname"],
            "HOST": given["host"],
            "PORT": given["port"],
            "USER": given["user"],
            "PASSWORD": given["password"],
        }
        for name, given in databases.items()
    }
    settings.configure(
        DATABASES=made,
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        USE_TZ=True,
    )
    django.setup()


def connect_handlers(courses: dict[str, str]) -> None:
    """Copy a saved user to each course database that it is enrolled in."""
    from django.contrib.auth.models import User
    from django.db import connection
    from django.db.models.signals import post_save

    def copy(instance: Any, using: str, **_: Any) -> None:
        if using != "default":
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT course_id FROM student_courseenrollment WHERE user_id = %s",
                [instance.id],
            )
            keys = [row[0] for row in cursor.fetchall()]
        for name in {courses[key] for key in keys}:
            there = User.objects.using(name).filter(id=instance.id).first() or User()
            for field in COPIED:
                setattr(there, field, getattr(instance, field))
            there.save(using=name)

    post_save.connect(copy, sender=User, weak=False)


def edits(users: int, seconds: float) -> float:
    """Edit users for some time; return how many a second."""
    from django.contrib.auth.models import User

    begun, done = time.monotonic(), 0
    while time.monotonic() - begun < seconds:
        user = User.objects.get(id=random.randint(1, users))
        user.email = f"{random.getrandbits(64):x}@example.org"
        user.save()
        done += 1
    return done / (time.monotonic() - begun)


def main() -> None:
    orders = json.load(sys.stdin)
    configure(orders["databases"])
    if orders["handlers"]:
        connect_handlers(orders["courses"])
    print(edits(orders["users"], orders["seconds"]))


if __name__ == "__main__":
    main()
