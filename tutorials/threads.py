"""Threads for pages: a fixed number, each with a database connection that stays.

Left alone Django makes a thread, and in it a connection, for every request, and goes back and forth between it and the
loop at every middleware. When a class of a hundred starts at once the threads fight for the interpreter and for
SQLite's one writer, whose losers sleep: the last learner waited 6.6 s. In a line, with two threads, it is 1.2 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from asgiref.sync import ThreadSensitiveContext
from django.http import HttpRequest, HttpResponse


class Threads:
    """`count` threads; the one used last is used first, so that a quiet site needs one."""

    def __init__(self, count: int) -> None:
        self._idle: asyncio.LifoQueue[ThreadPoolExecutor] = asyncio.LifoQueue()
        for number in range(count):
            self._idle.put_nowait(ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"page-{number}"))

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Synchronous code within runs in one of the threads; whoever comes when all are busy waits in a line."""
        thread = await self._idle.get()
        try:
            async with ThreadSensitiveContext(executor=thread):
                yield
        finally:
            self._idle.put_nowait(thread)


class InOnePiece:
    """The innermost middleware. It is synchronous, and so Django runs the others and the view in one go with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)
