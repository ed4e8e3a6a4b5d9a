"""`manage.py admin_link`: a link that logs the host in as administrator, once, for a quarter of an hour."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import sesame.utils
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.urls import reverse

from tutorials.views.people import ADMIN_SCOPE

NAME = "host"


class Command(BaseCommand):
    """Print the link; the administrator `host` is made when missing."""

    help = "Prints a link that logs in as administrator: usable once, for 15 minutes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the site is."""
        parser.add_argument("--url", default=f"{settings.ORIGINS[0]}/", help="the site's address")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print it."""
        user, made = get_user_model().objects.get_or_create(
            username=NAME, defaults={"is_staff": True, "is_superuser": True}
        )
        if made:
            user.set_unusable_password()
            user.save()
        token = sesame.utils.get_token(user, scope=ADMIN_SCOPE)
        self.stdout.write(f"  admin      {options['url'].rstrip('/')}{reverse('admin-link', args=[token])}")
