import pytest

from sandbox.cluster.kubelet.logs import LogFile, LogOptions, LogUnavailable, container_id, tail

LINES = [
    b"2026-11-23T16:59:25.000000001Z stdout F one",
    b"2026-11-23T16:59:26.000000002Z stderr F two",
    b"2026-11-23T16:59:27.000000003Z stdout P thr",
    b"2026-11-23T16:59:27.000000004Z stdout F ee",
]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "0.log"
    file.write_bytes(b"".join(line + b"\n" for line in LINES))
    return file


async def read(path, more=None, **options):
    async def ended():
        return False

    return b"".join([piece async for piece in LogFile(path, more or ended).read(LogOptions(**options))])


async def test_both_streams_in_order_and_pieces_of_a_line_joined(path):
    assert await read(path) == b"one\ntwo\nthree\n"


async def test_timestamps(path):
    assert (await read(path, timestamps=True)).splitlines()[0] == b"2026-11-23T16:59:25.000000001Z one"


@pytest.mark.parametrize(
    ("lines", "expected"), [(0, b""), (2, b"three\n"), (3, b"two\nthree\n"), (99, b"one\ntwo\nthree\n")]
)
async def test_the_last_lines(path, lines, expected):
    assert await read(path, tail_lines=lines) == expected


async def test_no_more_than_so_many_bytes(path):
    assert await read(path, limit_bytes=5) == b"one\nt"


async def test_since_a_moment(path):
    assert await read(path, since=1795453166.5) == b"three\n"


async def test_a_carriage_return_ends_no_line(path):
    path.write_bytes(b"2026-11-23T16:59:25.000000001Z stdout F 10%\r20%\n")
    assert await read(path) == b"10%\r20%\n"


async def test_a_log_that_does_not_exist_is_empty(tmp_path):
    assert await read(tmp_path / "none") == b""


async def test_following_until_the_container_ends(path):
    steps = [b"2026-11-23T16:59:28Z stdout F fo", b"ur\n", b""]

    async def more():
        with path.open("ab") as file:
            file.write(steps.pop(0))
        return bool(steps)

    assert await read(path, more, follow=True) == b"one\ntwo\nthree\nfour\n"


async def test_following_over_a_rotation(path):
    turns = []

    async def more():
        turns.append(1)
        if len(turns) == 1:
            path.rename(path.with_suffix(".log.1"))
            path.write_bytes(b"2026-11-23T16:59:28Z stdout F new\n")
        return len(turns) < 2

    assert await read(path, more, follow=True) == b"one\ntwo\nthree\nnew\n"


async def test_long_logs_are_read_in_blocks(path):
    line = b"2026-11-23T16:59:25.000000001Z stdout F " + b"x" * 1000 + b"\n"
    path.write_bytes(line * 500)
    assert await read(path) == (b"x" * 1000 + b"\n") * 500
    assert await read(path, tail_lines=200) == (b"x" * 1000 + b"\n") * 200
    assert tail(path, 500) == 0


def pod(**status):
    return {"metadata": {"name": "web"}, "status": {"containerStatuses": [{"name": "c"} | status]}}


def ended(identifier="containerd://old"):
    return {"terminated": {"containerID": identifier}}


@pytest.mark.parametrize(
    ("status", "previous", "expected"),
    [
        ({"state": {"running": {}}, "containerID": "containerd://now"}, False, "now"),
        ({"state": {"running": {}}, "lastState": ended()}, True, "old"),
        ({"state": ended()}, False, "old"),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended()}, False, "old"),
    ],
)
def test_whose_log_it_is(status, previous, expected):
    assert container_id(pod(**status), "c", previous=previous) == expected


@pytest.mark.parametrize(
    ("status", "previous", "message"),
    [
        ({"state": {"waiting": {"reason": "ErrImagePull"}}}, False, "is waiting to start: image can't be pulled"),
        (
            {"state": {"waiting": {"reason": "ImagePullBackOff"}}},
            False,
            "is waiting to start: trying and failing to pull image",
        ),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, False, "is waiting to start: ContainerCreating"),
    ],
)
def test_why_there_is_no_log(status, previous, message):
    with pytest.raises(LogUnavailable) as error:
        container_id(pod(**status), "c", previous=previous)
    assert str(error.value) == f'container "c" in pod "web" {message}'


def test_why_there_is_no_log_of_before():
    with pytest.raises(LogUnavailable) as error:
        container_id(pod(state={"running": {}}), "c", previous=True)
    assert str(error.value) == 'previous terminated container "c" in pod "web" not found'
    with pytest.raises(LogUnavailable) as error:
        container_id(pod(), "other", previous=False)
    assert str(error.value) == 'container "other" in pod "web" is not available'
