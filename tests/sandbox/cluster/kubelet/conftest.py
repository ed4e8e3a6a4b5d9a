import pytest

from tests.sandbox.cluster.simulation import simulation


@pytest.fixture
async def cluster(tmp_path):
    """Everything but containers, at a standstill."""
    async with simulation(tmp_path) as simulated:
        yield simulated
