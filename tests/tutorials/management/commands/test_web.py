import pytest
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from tutorials.management.commands.web import _refuse_newer_database


@pytest.mark.django_db
def test_a_database_of_this_version_is_taken() -> None:
    _refuse_newer_database()


@pytest.mark.django_db
def test_a_database_of_a_newer_version_is_refused_with_the_remedy() -> None:
    MigrationRecorder(connection).record_applied("tutorials", "9000_from_the_future")
    with pytest.raises(CommandError, match=r"newer version.*9000_from_the_future.*git pull"):
        _refuse_newer_database()
