"""`pivots explore`: a run's words in a browser, from a server on this machine or as files that need none."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semantic_pivots.commands.options import members_of, with_sections
from semantic_pivots.errors import InputError
from semantic_pivots.models.trace_stage import TraceConfig

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from semantic_pivots.report.explorer_data import Explorer

HOST = "127.0.0.1"


@with_sections(subsets={"trace": ("lenses", "dtype")})
def explore(
    run: Annotated[Path, typer.Argument(help="run of a study, such as runs/demo", show_default=False)],
    trace: TraceConfig,
    static: Annotated[
        Path | None, typer.Option(help="folder: write the explorer as files that work without a server, and end")
    ] = None,
    live: Annotated[
        str, typer.Option(help="model that reads any word on demand: hub id, local folder, or package:NAME")
    ] = "",
    port: Annotated[int, typer.Option(help="port on 127.0.0.1; 0: a free one")] = 8765,
    browser: Annotated[bool, typer.Option(help="open the page in a browser")] = True,
) -> None:
    """Show the words of a run: their path through the layers, pivots in context, counts, score and behaviour."""
    if static is not None:
        if live:
            raise InputError("--live needs the server: leave out --static, or --live")
        from semantic_pivots.report.explorer import write_static

        files = write_static(run, static)
        typer.echo(f"{static / 'index.html'}: {files} files; open it, or publish the folder")
        return
    serve(run, port, browser, live, trace.dtype, trace.lenses)


def serve(run: Path, port: int, browser: bool, live: str, dtype: str, lenses: Sequence[str]) -> None:
    """Serve the explorer until the user ends it.

    Raises:
        InputError: the folder is not a run, the port is taken, or the model cannot be loaded.
    """
    import socket

    import uvicorn

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--port {port}: cannot listen on {HOST}:{port}; name another, or 0 for a free one"
            ) from error
        address = f"http://{HOST}:{probe.getsockname()[1]}/"
        app = application(run, live, dtype, lenses)
        typer.echo(f"{address} (Ctrl-C ends it)")
        if browser:
            import webbrowser

            threading.Timer(0.5, webbrowser.open, (address,)).start()
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        uvicorn.Server(config).run(sockets=[probe])


def application(run: Path, live: str = "", dtype: str = "float32", lenses: Sequence[str] = ("logit",)) -> Starlette:
    """The server as an ASGI application: the page, its data, and the live model where there is one.

    Raises:
        InputError: the folder is not a run, or the model cannot be loaded.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    from semantic_pivots.report.explorer_data import Explorer

    pages = Pages(Explorer(run), live, dtype, lenses)
    routes = [
        Route("/", pages.file),
        Route("/data/index.js", pages.index),
        Route("/data/{kind}-{number:int}.js", pages.concept),
        Route("/live", pages.live),
        Route("/{name}", pages.file),
    ]
    # a page of another site that names this machine would otherwise read the run
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost", "testserver"])
    return Starlette(routes=routes, middleware=[hosts])


class Pages:
    """The server's answers."""

    def __init__(self, explorer: Explorer, live: str, dtype: str, lenses: Sequence[str]):
        self._explorer, self._lock = explorer, threading.Lock()
        self._reads = {
            "concept": (explorer.concept, threading.Lock()),
            "context": (explorer.context, threading.Lock()),
        }
        self._concepts = list(explorer.run.concepts)
        self._reader = None
        if live:
            from semantic_pivots.commands.explain import Reader

            self._reader = Reader(live, dtype, lenses)

    def _script(self, name: str, value: object) -> Response:
        from starlette.responses import Response

        from semantic_pivots.report.explorer import data_script

        return Response(data_script(name, value), media_type="text/javascript; charset=utf-8")

    async def file(self, request: Request) -> Response:
        """The page, its script, or plotly.js."""
        from starlette.responses import Response

        from semantic_pivots.report.explorer import ASSETS, asset

        name = request.path_params.get("name", "index.html")
        if name not in ASSETS:
            return Response("no such page", status_code=404)
        kind = "text/html" if name.endswith(".html") else "text/javascript"
        return Response(asset(name), media_type=f"{kind}; charset=utf-8")

    async def index(self, request: Request) -> Response:
        """The concepts, and whether any word can be read."""
        return self._script("index", {**self._explorer.index(), "live": self._reader is not None})

    async def concept(self, request: Request) -> Response:
        """One concept, or its words in context, for which the corpus is read once."""
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import Response

        kind, number = request.path_params["kind"], request.path_params["number"]
        if kind not in self._reads or number >= len(self._concepts):
            return Response("no such concept", status_code=404)

        def make() -> dict:
            read, lock = self._reads[kind]
            with lock:
                return read(self._concepts[number])

        return self._script(f"{kind}-{number}", await run_in_threadpool(make))

    async def live(self, request: Request) -> Response:
        """Paths of any words, or of a prompt; ends between two words where the user has moved on."""
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import JSONResponse

        if self._reader is None:
            return JSONResponse({"error": "start the explorer with --live MODEL"}, status_code=404)
        start = time.monotonic()
        source, _, target = request.query_params.get("direction", "").partition("-")
        words = members_of(request.query_params.get("words", ""))
        prompts = list(filter(str.strip, request.query_params.getlist("prompt")))
        if not words and not prompts:
            return JSONResponse({"error": "no word: type one, or several by commas"}, status_code=400)
        answers = []
        try:
            for word, prompt in (*((word, "") for word in words), *(("", prompt) for prompt in prompts)):
                if await request.is_disconnected():
                    break
                answers.append(await run_in_threadpool(self._read, (source, target), word, prompt))
        except InputError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"words": answers, "model": self._reader.name, "seconds": time.monotonic() - start})

    def _read(self, direction: tuple[str, str], word: str, prompt: str) -> dict:
        from semantic_pivots.commands.explain import Question, questions_of

        assert self._reader is not None
        with self._lock:  # one model, one reading at a time
            if prompt:
                return self._reader.page(Question(direction, "", "", prompt))
            (question,) = questions_of(direction[0], word, direction[1], run=self._explorer.run.folder)
            return self._reader.page(question)
