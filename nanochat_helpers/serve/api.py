"""Step 7 as a web API: OpenAI's /v1/chat/completions, so that every program that can talk to OpenAI can talk to us.

In: HTTP requests. Out: the replies of the same Chat as everywhere. A request is read and checked (`guards`,
`requests`), becomes messages and settings, waits for the model (`worker`), and is answered (`delivery`, `responses`).
The text is what the model wrote, alike with and without streaming; what step 6 makes of it stands in the trace.
"""

import time

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse

from .delivery import Delivery, PatientStream
from .guards import HANDLERS, LOOPBACK, check_model, host_check, key_check, read_body
from .requests import Limits, messages_of, parse_request, settings_of
from .responses import Form, model_card
from .worker import ModelWorker


def make_app(
    model, *, api_key: str | None = None, limits: Limits | None = None, hosts: tuple[str, ...] | None = LOOPBACK
) -> FastAPI:
    """The API for one model.

    model: a loaded model, or the ModelWorker of one that others ask, too. api_key: what clients must send; None asks
        for none. hosts: the names under which clients may call this server, so that no page in somebody's browser can
        reach it by a name of its own (DNS rebinding); None takes every name.
    """
    worker = model if isinstance(model, ModelWorker) else ModelWorker(model)
    backbone, limits, created = worker.backbone, limits or Limits(), int(time.time())
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,  # it would lead on to whatever name a client calls this server by
        dependencies=[Depends(host_check(hosts))],
        exception_handlers=HANDLERS,
    )
    app.state.open_deliveries, app.state.is_stopping = set(), False
    key = [Depends(key_check(api_key))]

    @app.get("/health")
    async def health():
        """Does the server answer, and how many wait?"""
        status = "stopping" if app.state.is_stopping else "ok"
        return {"status": status, "model": backbone.name, "waiting": worker.waiting}

    @app.get("/v1/models", dependencies=key)
    async def models():
        """The models that can be asked: one."""
        return {"object": "list", "data": [model_card(backbone, created)]}

    @app.get("/v1/models/{name:path}", dependencies=key)
    async def one_model(name: str):
        """What is known of one model."""
        check_model(name, backbone)
        return model_card(backbone, created)

    @app.post("/v1/chat/completions", dependencies=key)
    async def chat_completions(http: Request):
        """One reply to a conversation, at once or as a stream."""
        request = parse_request(await read_body(http, limits), limits)
        check_model(request.model, backbone)
        messages, settings = messages_of(request, limits), settings_of(request, limits)
        delivery = Delivery(http, worker, messages, settings)
        form = Form.of(request, backbone)
        if not request.stream:
            return JSONResponse(await delivery.whole(form))
        await delivery.begin()
        return PatientStream(delivery, form, limits.reader_seconds)

    return app
