import pytest

from sandbox.cluster.controllers.job_indexes import read, written


@pytest.mark.parametrize(
    ("indexes", "text"),
    [([], ""), ([0], "0"), ([1, 0], "0,1"), ([0, 1, 2], "0-2"), ([7, 1, 3, 4, 5], "1,3-5,7"), ([2, 3, 9], "2,3,9")],
)
def test_runs_are_written_as_ranges(indexes, text):
    assert written(indexes) == text
    assert read(text, 10) == set(indexes)


def test_what_the_job_does_not_have_is_left_out():
    assert read("0-999999999999,x,3-", 3) == {0, 1, 2}
