import pytest

from sandbox.cluster.api import build_schema, schema


@pytest.fixture(scope="session", autouse=True)
def schema_data():
    """The data that set-up makes; made here when it is missing."""
    if not schema.FILE.exists():
        build_schema.build()
