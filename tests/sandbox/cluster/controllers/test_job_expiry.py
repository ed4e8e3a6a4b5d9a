from sandbox.cluster.resources.all import JOBS
from tests.sandbox.cluster.controllers.test_job import PI, created


async def test_a_finished_job_goes_after_its_time_with_its_pods(cluster):
    await created(cluster, ttlSecondsAfterFinished=60)
    await cluster.advance(50)
    assert cluster.registry.exists(JOBS, PI)
    await cluster.advance(30)
    assert not cluster.registry.exists(JOBS, PI)
    assert cluster.pods() == []


async def test_without_a_time_it_stays(cluster):
    await created(cluster)
    await cluster.advance(100_000)
    assert cluster.registry.exists(JOBS, PI)
