"""Who set which field: kept true through updates, and used by server-side apply to find conflicts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.cluster.api.errors import ApplyConflict
from sandbox.cluster.api.fieldsets import ITSELF, Path, from_fields, item_step, leaves, shown, to_fields
from sandbox.cluster.api.merge import MergeSchema
from sandbox.cluster.api.objects import Object, copied

APPLY = "Apply"
UPDATE = "Update"


@dataclass(frozen=True)
class Manager:
    """Somebody who sets fields, in one way."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass
class Owned:
    """What a manager owns."""

    paths: set[Path] = field(default_factory=set)
    time: str = ""


Owners = dict[Manager, Owned]


def read(obj: Object) -> Owners:
    """The owners in an object's metadata; entries that make no sense are left out."""
    owners: Owners = {}
    for entry in obj["metadata"].get("managedFields") or ():
        if not isinstance(entry, dict) or not isinstance(entry.get("fieldsV1"), dict):
            continue
        manager = Manager(
            str(entry.get("manager", "")),
            str(entry.get("operation", "")),
            str(entry.get("apiVersion", "")),
            str(entry.get("subresource", "")),
        )
        owners[manager] = Owned(from_fields(entry["fieldsV1"]), str(entry.get("time", "")))
    return owners


def write(obj: Object, owners: Owners) -> None:
    """Put the owners into an object's metadata, in place."""
    entries = []
    # Appliers come first, then by time, as Kubernetes sorts them.
    order = sorted(owners.items(), key=lambda one: (one[0].operation != APPLY, one[1].time, one[0].name))
    for manager, owned in order:
        if not owned.paths:
            continue
        entry: Object = {
            "manager": manager.name,
            "operation": manager.operation,
            "apiVersion": manager.api_version,
            "time": owned.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_fields(owned.paths),
        }
        entries.append(entry | ({"subresource": manager.subresource} if manager.subresource else {}))
    obj["metadata"]["managedFields"] = entries


def record(new: Object, old: Object | None, manager: Manager, *, schema: MergeSchema | None, time: str) -> None:
    """Note, in place, that `manager` made `new` out of `old`."""
    if old is not None and new["metadata"].get("managedFields") == []:
        return  # a client that sends an empty list wants them forgotten
    owners = read(old) if old is not None else {}
    before = leaves(old, schema) if old is not None else {}
    after = leaves(new, schema)
    changed = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    for owned in owners.values():
        owned.paths -= changed | gone
    if changed:
        mine = owners.setdefault(manager, Owned())
        mine.paths |= changed
        mine.time = time
    write(new, owners)


def apply(
    live: Object, wanted: Object, manager: Manager, *, schema: MergeSchema | None, time: str, force: bool
) -> Object:
    """The live object with what a manager applies. Raises ApplyConflict."""
    owners = read(live)
    mine = owners.get(manager, Owned())
    others = {other: owned for other, owned in owners.items() if other != manager}
    wish, now = leaves(wanted, schema), leaves(live, schema)
    differing = {path for path, value in wish.items() if path[-1] != ITSELF and path in now and now[path] != value}
    conflicts = {other: sorted(owned.paths & differing) for other, owned in others.items()}
    if any(conflicts.values()) and not force:
        raise _conflict({other: paths for other, paths in conflicts.items() if paths})
    for owned in others.values():
        owned.paths -= differing
    result: Object = _merged(live, wanted, schema)
    dropped = mine.paths - wish.keys()
    kept = {path for owned in others.values() for path in owned.paths}
    for path in sorted(dropped - kept, key=len, reverse=True):
        _remove(result, path, schema, kept)
    new_owners = {**others, manager: Owned(set(wish), mine.time if mine.paths == set(wish) else time)}
    write(result, new_owners)
    return result


def _conflict(conflicts: Mapping[Manager, Sequence[Path]]) -> ApplyConflict:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {_who(other)}", "field": shown(path)}
        for other, paths in conflicts.items()
        for path in paths
    ]
    count = len(causes)
    if count == 1:
        cause = causes[0]
        return ApplyConflict(f"Apply failed with 1 conflict: {cause['message']}: {cause['field']}", causes)
    groups = [
        f"conflicts with {_who(other)}:\n" + "\n".join(f"- {shown(path)}" for path in paths)
        for other, paths in conflicts.items()
    ]
    return ApplyConflict(f"Apply failed with {count} conflicts: " + "\n".join(groups), causes)


def _who(manager: Manager) -> str:
    of = f' with subresource "{manager.subresource}"' if manager.subresource else ""
    return f'"{manager.name}"{of} using {manager.api_version}'


def _merged(live: Any, wanted: Any, schema: MergeSchema | None) -> Any:
    if isinstance(wanted, dict) and isinstance(live, dict) and not (schema and schema.map_type == "atomic"):
        result = dict(live)
        for name, value in wanted.items():
            result[name] = _merged(live.get(name), value, schema.field(name) if schema else None)
        return result
    if isinstance(wanted, list) and isinstance(live, list) and schema and schema.list_type == "map":
        return _merged_list(live, wanted, schema)
    if isinstance(wanted, list) and isinstance(live, list) and schema and schema.list_type == "set":
        return live + [value for value in wanted if value not in live]
    return copied(wanted)


def _merged_list(live: list[Any], wanted: list[Any], schema: MergeSchema) -> list[Any]:
    """The applied order first, then what only others have."""
    there = {item_step(one, schema): one for one in live}
    result = [_merged(there.pop(item_step(one, schema), None), one, schema.items()) for one in wanted]
    return result + list(there.values())


def _remove(obj: Object, path: Path, schema: MergeSchema | None, kept: set[Path]) -> None:
    """Take a field out, and a list's object with it when nobody else has anything in it."""
    prefix = path[:-1] if path[-1] == ITSELF else path
    if path[-1] == ITSELF and any(other[: len(prefix)] == prefix for other in kept):
        return
    parent: Any = obj
    for step in prefix[:-1]:
        parent, schema = _below(parent, step, schema)
        if parent is None:
            return
    last = prefix[-1]
    if last.startswith("f:") and isinstance(parent, dict):
        parent.pop(last[2:], None)
    elif isinstance(parent, list):
        index = next((at for at, one in enumerate(parent) if _named(one, schema) == last), None)
        if index is not None:
            del parent[index]


def _below(parent: Any, step: str, schema: MergeSchema | None) -> tuple[Any, MergeSchema | None]:
    if step.startswith("f:") and isinstance(parent, dict):
        name = step[2:]
        return parent.get(name), schema.field(name) if schema else None
    if isinstance(parent, list):
        found = next((one for one in parent if _named(one, schema) == step), None)
        return found, schema.items() if schema else None
    return None, None


def _named(item: Any, schema: MergeSchema | None) -> str:
    if schema is None or schema.list_type != "map":
        return f"v:{json.dumps(item)}"
    return item_step(item, schema)
