"""A new lesson that already passes: the folder that `manage.py lesson new` makes."""

from __future__ import annotations

import json
from pathlib import Path

_INDEX = {
    "title": {"en": "My lesson", "ko": "나의 강의"},
    "description": {"en": "What a learner can do afterwards.", "ko": "이 강의를 마치면 할 수 있는 일입니다."},
    "minutes": 5,
    "details": {
        "steps": [
            {
                "id": "write-a-file",
                "title": {"en": "Write a file", "ko": "파일 쓰기"},
                "text": "write-a-file.md",
                "solution": "write-a-file.solution.sh",
                "checks": [
                    {
                        "title": {"en": "The file greeting.txt says hello", "ko": "greeting.txt 파일에 hello가 있음"},
                        "script": "write-a-file.check.sh",
                        "absent": {
                            "en": "There is no file greeting.txt that says hello yet.",
                            "ko": "hello라고 적힌 greeting.txt 파일이 아직 없습니다.",
                        },
                    }
                ],
            }
        ]
    },
}
_FILES = {
    "write-a-file.en.md": "Write a greeting into a file:\n\n`echo hello > greeting.txt`{{execute}}\n\n"
    "Nothing is printed: the shell wrote the word into the file.\n",
    "write-a-file.ko.md": "파일에 인사말을 써 보세요.\n\n`echo hello > greeting.txt`{{execute}}\n\n"
    "아무것도 출력되지 않습니다. 셸이 그 단어를 파일에 썼기 때문입니다.\n",
    "write-a-file.check.sh": "grep -q hello /learner/root/greeting.txt\n",
    "write-a-file.solution.sh": "echo hello > ~/greeting.txt\n",
}


def write_draft(folder: Path) -> list[Path]:
    """Make the lesson in `folder` and return its files. Raises FileExistsError when the folder holds anything."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    index = json.dumps(_INDEX, indent=2, ensure_ascii=False) + "\n"
    paths = []
    for name, text in ({"index.json": index} | _FILES).items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
