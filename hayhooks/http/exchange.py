"""One HTTP request and its answer, from the first line to the last byte."""

from __future__ import annotations

from time import perf_counter

from starlette.types import Message, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.leaving import PatientSend
from hayhooks.pipelines.tokens import TokenMeter
from hayhooks.request import CurrentRequest


class Exchange:
    """What is known of a request and its answer; the answer is sent through it.

    It stands in the scope as `hayhooks.exchange`. Raises `StalledClient` where the client takes nothing of
    a stream for `send_timeout` seconds.
    """

    # Here, as most are set late or never, and each microsecond of a request counts.
    status = 0
    """The status of the answer; 0 as long as nothing is sent."""
    deployment: Deployment | None = None
    """What answers; it does not end before the exchange."""
    is_complete = False
    """Whether the last byte of the answer is sent."""
    chunks = 0
    """How many chunks of a run were sent as a stream."""
    error: Exception | None = None
    """What stands in place of an answer, or has ended it early; a client that leaves is seen by `is_complete`."""
    meter: TokenMeter | None = None
    """What counts the tokens of its model, for answers with a place for usage."""
    first_byte = 0.0
    """A moment, as `began`; 0 until then."""
    ended = 0.0
    """A moment, as `began`; 0 until then."""
    _patient_send: PatientSend | None = None

    def __init__(self, request: CurrentRequest, scope: Scope, send: Send, *, send_timeout: float) -> None:
        self.request = request
        self.scope = scope
        self.began = perf_counter()
        """When it began, by `perf_counter()`."""
        self._send = send
        self._send_timeout = send_timeout

    @property
    def total(self) -> float:
        """How many seconds it took."""
        return self.ended - self.began

    @property
    def until_first_byte(self) -> float:
        """How many seconds it took until the answer began."""
        return self.first_byte - self.began

    def answer_by(self, deployment: Deployment) -> bool:
        """Note what answers; return False where that is not served any more."""
        if deployment is self.deployment:
            return True
        if not deployment.runs.admit(self):
            return False
        self.deployment = deployment
        self.request.pipeline, self.request.revision = deployment.name, deployment.number
        return True

    async def send(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.first_byte = perf_counter()
            headers = message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.request.id.encode())]
            if self.request.revision is not None:
                headers.append((b"x-hayhooks-revision", b"%d" % self.request.revision))
        elif not message.get("more_body"):
            self.is_complete = True
        else:
            if self._patient_send is None:
                self._patient_send = PatientSend(self._send, seconds=self._send_timeout)
            await self._patient_send(message)
            return
        await self._send(message)

    def end(self) -> None:
        """Say that the request is done with: the client has its answer, or will get no more of it."""
        self.ended = perf_counter()
        self.request.let_client_go()
        if self.deployment is not None:
            self.deployment.runs.end(self)
        if self._patient_send is not None:
            self._patient_send.stop()

    def let_go(self) -> None:
        """Drop what refers back to the exchange, so that all is freed at once and not left to the garbage collector."""
        del self.scope, self._send
        self.error = None
