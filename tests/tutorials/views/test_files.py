from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
FILES = "/course/first/files/"


def test_a_picture_is_served_with_a_policy_that_runs_nothing(client: Client) -> None:
    answer = client.get(f"{FILES}assets/first.svg")
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert answer["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"{FILES}assets/first.svg", headers={"if-modified-since": answer["Last-Modified"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "file",
    [
        "assets/secret.txt",
        "setup.sh",
        "index.json",
        "one.sh",
        "../second/only.md",
        "assets/../../../../etc/passwd",
        "..%2f..%2f..%2fetc/passwd",
        "/etc/passwd",
        "%00.svg",
        "a" * 5000 + ".svg",
        "assets",
        "assets/.hidden.svg",
        "none.svg",
    ],
)
def test_nothing_else_is(client: Client, lessons: Path, file: str) -> None:
    (lessons / "course/first/assets/.hidden.svg").write_text("<svg/>")
    assert client.get(FILES + file).status_code == 404


def test_a_link_out_of_the_folder_leads_nowhere(client: Client, lessons: Path, tmp_path: Path) -> None:
    (tmp_path / "private.svg").write_text("<svg>private</svg>")
    (lessons / "course/first/assets/link.svg").symlink_to(tmp_path / "private.svg")
    assert client.get(f"{FILES}assets/link.svg").status_code == 404


def test_a_picture_of_the_course_is_found_beside_its_lessons(client: Client, lessons: Path) -> None:
    (lessons / "course/course.png").write_bytes(b"\x89PNG")
    assert client.get(f"{FILES}course.png").content == b"\x89PNG"


def test_a_huge_one_is_refused(client: Client, lessons: Path) -> None:
    with (lessons / "course/first/huge.png").open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    assert client.get(f"{FILES}huge.png").status_code == 404
