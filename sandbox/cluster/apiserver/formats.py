"""Objects to bytes and back: JSON, YAML and (requests only) protobuf; what a client accepts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from sandbox.cluster.api.errors import ApiError, BadRequest, NotAcceptable, UnsupportedMediaType
from sandbox.cluster.api.objects import Object
from sandbox.cluster.apiserver import fieldvalidation, protobuf
from sandbox.cluster.apiserver.messages import Request, Response

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_AVAILABLE = (JSON, YAML, PROTOBUF, f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_BODIES = (JSON, YAML, PROTOBUF)
_NESTING_LIMIT = 200
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Accept:
    """What the answer shall be."""

    yaml: bool = False
    view: str = ""
    """Table, PartialObjectMetadata or PartialObjectMetadataList; empty: the object itself."""
    version: str = "v1"
    """The version of meta.k8s.io that the view is wanted in."""
    pretty: bool = False
    aggregated: str = ""
    """v2 or v2beta1 of apidiscovery.k8s.io when the client knows it."""


def accept(request: Request) -> Accept:
    """The first of what the client accepts that can be given. Raises NotAcceptable."""
    header = request.header("accept") or "*/*"
    pretty = wants_pretty(request)
    for entry in header.split(","):
        media, *rest = (part.strip() for part in entry.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if media not in (JSON, YAML, "application/yaml", "*/*", "application/*"):
            continue
        chosen = _variant(parameters)
        if chosen is not None:
            view, version, aggregated = chosen
            return Accept(yaml=media == YAML, view=view, version=version, pretty=pretty, aggregated=aggregated)
    raise NotAcceptable(_AVAILABLE)


def _variant(parameters: dict[str, str]) -> tuple[str, str, str] | None:
    """(view, its version, discovery version), or None when this variant is not known."""
    view, group, version = parameters.get("as", ""), parameters.get("g", ""), parameters.get("v", "v1")
    if not view:
        return "", "v1", ""
    if group == "apidiscovery.k8s.io" and view == "APIGroupDiscoveryList" and version in ("v2", "v2beta1"):
        return "", "v1", version
    known = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
    if group == "meta.k8s.io" and view in known and version in ("v1", "v1beta1"):
        return view, version, ""
    return None


def wants_pretty(request: Request) -> bool:
    """Whether a person reads the answer: curl, wget and browsers, unless the query says otherwise."""
    asked = request.parameter("pretty")
    if asked:
        return asked.lower() not in ("0", "false")
    return request.header("user-agent").startswith(("curl", "Wget", "Mozilla/5.0"))


def compact(obj: Any) -> bytes:
    """One line of JSON."""
    return json.dumps(obj, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"})


def render(obj: Object, how: Accept) -> tuple[bytes, str]:
    """The bytes of an answer and their content type."""
    if how.yaml:
        text = yaml.dump(obj, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper), sort_keys=True, allow_unicode=True)
        return text.encode(), YAML
    if how.pretty:
        # Go's encoder escapes what HTML would interpret, and ends without a newline when it indents.
        return json.dumps(obj, indent=2, ensure_ascii=False).translate(_ESCAPES).encode(), JSON
    return compact(obj) + b"\n", JSON


def respond(obj: Object, how: Accept, *, status: int = 200) -> Response:
    """An answer that is one object."""
    body, content_type = render(obj, how)
    return Response(status=status, body=body, content_type=content_type)


def status_response(error: ApiError, *, how: Accept | None = None) -> Response:
    """The answer to a request that was refused."""
    response = respond(error.status(), how or Accept(), status=error.code)
    seconds = (error.details or {}).get("retryAfterSeconds")
    if seconds:
        response.headers.append(("retry-after", str(seconds)))
    return response


def media_type(request: Request) -> str:
    """The content type of the request's body without parameters."""
    return request.header("content-type").partition(";")[0].strip().lower() or JSON


def parse(request: Request) -> Object:
    """The object in the request's body. Raises BadRequest, UnsupportedMediaType."""
    kind = media_type(request)
    if kind == PROTOBUF:
        return protobuf.decode(request.body)
    if kind == JSON:
        found = load_json(request.body)
    elif kind in (YAML, "text/yaml", "application/x-yaml"):
        found = load_yaml(request.body)
    else:
        raise UnsupportedMediaType(_BODIES)
    if not isinstance(found, dict):
        raise BadRequest(
            "couldn't get version/kind; json parse error: json: cannot unmarshal into Go value of type struct"
        )
    return found


def load_json(body: bytes) -> Any:
    """Any JSON value. Raises BadRequest."""
    try:
        return _checked(_loads(body, fieldvalidation.fields))
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from error


def _loads(body: bytes, pairs: Callable[[list[tuple[str, Any]]], Object] | None = None) -> Any:
    """JSON as Go reads it: no NaN and no Infinity, and half a surrogate pair is a replacement character."""
    found = json.loads(body, parse_constant=_no_constant, object_pairs_hook=pairs)
    if b"\\ud" not in body.lower():
        return found
    text = json.dumps(found, ensure_ascii=False)
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), object_pairs_hook=pairs)


def _no_constant(text: str) -> None:
    raise ValueError(f"invalid character '{text[0]}' looking for beginning of value")


def load_yaml(body: bytes) -> Any:
    """Any YAML value that is also JSON. Raises BadRequest."""
    # Aliases multiply: nine lines can expand to gigabytes.
    if b"&" in body and b"*" in body and any(isinstance(event, yaml.AliasEvent) for event in _events(body)):
        raise BadRequest("error converting YAML to JSON: aliases are not accepted")
    try:
        # JSON has no dates: a round trip turns what YAML guessed into what it was written as.
        return _checked(_loads(json.dumps(yaml.load(body, Loader=_Loader), default=_plain).encode()))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise BadRequest(f"error converting YAML to JSON: {error}") from error


def _events(body: bytes) -> list[yaml.Event]:
    try:
        return list(yaml.parse(body, Loader=_Loader))
    except yaml.YAMLError as error:
        raise BadRequest(f"error converting YAML to JSON: {error}") from error


def _plain(value: object) -> str:
    isoformat = getattr(value, "isoformat", None)
    if isoformat is None:
        raise TypeError(f"{type(value).__name__} is not JSON")
    return str(isoformat()).replace("+00:00", "Z")


def _checked(value: Any) -> Any:
    """Refuse what nests so deep that copying it would fail later."""
    level = [value]
    for _ in range(_NESTING_LIMIT):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return value
    raise ValueError("exceeded max depth")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
