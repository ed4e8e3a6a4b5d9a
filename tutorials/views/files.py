"""Pictures from lesson folders. Lessons may come from anywhere, so only pictures are served, and SVG runs nothing."""

from __future__ import annotations

from pathlib import Path

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import http_date
from django.views.decorators.http import require_safe
from django.views.static import was_modified_since

from tutorials.catalogue.loader import catalogue
from tutorials.csp import HEADER

TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
LARGEST = 8 * 1024 * 1024


@require_safe
def lesson_file(request: HttpRequest, course_id: str, lesson_id: str, file: str) -> HttpResponse:
    """A picture of the lesson or, beside its lessons' folders, of the course."""
    lesson = catalogue().lesson(course_id, lesson_id)
    course = catalogue().course(course_id)
    if lesson is None or course is None:
        raise Http404
    found = _picture(lesson.path, file) or _picture(course.path, file)
    if found is None:
        raise Http404
    status = found.stat()
    if status.st_size > LARGEST:
        raise Http404
    if not was_modified_since(request.META.get("HTTP_IF_MODIFIED_SINCE"), status.st_mtime):
        return HttpResponseNotModified()
    response = HttpResponse(found.read_bytes(), content_type=TYPES[found.suffix.lower()])
    response["Last-Modified"] = http_date(status.st_mtime)
    response["Cache-Control"] = "no-cache"
    response[HEADER] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response


def _picture(folder: Path, file: str) -> Path | None:
    """The picture of that name inside the folder; symbolic links may not lead out of it."""
    root = folder.resolve()
    try:
        path = (root / file).resolve()
        inside = path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return None
    hidden = any(part.startswith(".") for part in Path(file).parts)
    return path if inside and not hidden and path.suffix.lower() in TYPES else None
