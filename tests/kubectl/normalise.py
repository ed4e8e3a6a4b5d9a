"""What differs between two runs of the same command on Kubernetes, replaced by words."""

from __future__ import annotations

import re

_CHANGES = [
    (re.compile(r"\b\w{3} (\d\d:){2}\d\d\.\d{6} +\d+ "), "LOG "),
    (re.compile(r"https?://[\d.]+:\d+"), "https://SERVER"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"-[0-9a-f]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b"), "-HASH-SUFFIX"),
    (re.compile(r"\b([a-z-]+)-[0-9a-f]{7,10}\b"), r"\1-HASH"),
    (re.compile(r'(pod-template-hash"?[=:] ?"?)[0-9a-f]+'), r"\1HASH"),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+(/\d+)?\b"), "IP"),
    (re.compile(r"\b(\d+[smhd])+( ago)?\b"), "AGE"),
    (re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), .*\+0000"), "TIME"),
    (re.compile(r'(resourceVersion"?: "?)\d+'), r"\1N"),
    (re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b"), "-SUFFIX"),
    (re.compile(r"(containerd|crun)://[0-9a-f]+"), "CONTAINER"),
    (re.compile(r"sha256:[0-9a-f]+"), "DIGEST"),
    (re.compile(r":3[0-2]\d{3}\b"), ":NODEPORT"),
    (re.compile(r"\b3[0-2]\d{3}/TCP"), "NODEPORT/TCP"),
    (re.compile(r"nodePort: 3[0-2]\d{3}"), "nodePort: NODEPORT"),
    (re.compile(r"v1\.33\.\d+"), "v1.33.N"),
    (re.compile(r'"?(gitCommit|goVersion|gitVersion|buildDate|platform)"?: .*'), r"\1"),
    # Columns are as wide as their longest cell, so their width says nothing once cells are replaced.
    (re.compile(r" +"), " "),
    (re.compile(r"-{2,}"), "--"),
]


def normalised(text: str) -> str:
    """The text without what no two runs have in common."""
    for pattern, replacement in _CHANGES:
        text = pattern.sub(replacement, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
