from sandbox.cluster.api.objects import Key
from sandbox.cluster.resources.all import PODS


async def test_events_are_forgotten_an_hour_after_they_happened_last(cluster):
    cluster.create_pod("calm")
    cluster.create_pod("crash", containers=[{"name": "c", "image": "busybox:1.36", "command": ["sh", "-c", "exit 1"]}])
    await cluster.advance(3000)
    assert "Started container c" in {message for _, _, message in cluster.events("calm")}
    await cluster.advance(700)
    assert cluster.events("calm") == []
    assert "BackOff" in {reason for _, reason, _ in cluster.events("crash")}
    cluster.registry.delete(PODS, Key("default", "crash"))
    await cluster.advance(3700)
    assert cluster.events("crash") == []
