"""A gateway on loopback, a merchant's server that hears its notifications, and a plain caller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from time import monotonic
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from loaders.channels.alipay import signing
from sample_data.gateway.gateway import Clock, Gateway, Manners, china_now
from sample_data.gateway.keys import APP_PRIVATE, CHANNEL_PUBLIC, GatewayKeys, make_keys
from sample_data.gateway.ledger import Ledger
from sample_data.gateway.server import Serving

HTTP = httpx.Client(
    timeout=10, trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0)
)
"""Plain HTTP to loopback: nothing of the environment, no certificates to load, no kept connections."""


@dataclass(frozen=True)
class Answer:
    """What came back: the raw text, and its node if the gateway's signature over it verifies."""

    status: int
    content_type: str
    text: str
    name: str
    raw_node: str
    signature: str | None
    is_verified: bool

    @property
    def node(self) -> dict[str, Any]:
        """The signed node."""
        found: dict[str, Any] = json.loads(self.raw_node)
        return found


def raw_node(text: str, name: str) -> str:
    """The node's value exactly as it stands in the answer."""
    start = text.index(f'"{name}":') + len(name) + 3
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start:end]


@dataclass
class Caller:
    """A merchant's client that does the least: sign, send, look at the raw answer."""

    url: str
    keys: GatewayKeys
    private: signing.PrivateKey
    channel_public: signing.PublicKey

    def fields(self, method: str, biz: Mapping[str, Any] | str, **more: str) -> dict[str, str]:
        """Signed parameters. A parameter given as an empty text is left out."""
        content = biz if isinstance(biz, str) else json.dumps(biz, ensure_ascii=False)
        made = {
            "app_id": self.keys.app_id, "method": method, "charset": "utf-8", "format": "JSON",
            "sign_type": "RSA2", "timestamp": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
            "version": "1.0", "biz_content": content, **more,
        }
        made = {name: value for name, value in made.items() if value}
        text = signing.request_string(made).encode(made["charset"])
        return {"sign": signing.sign(text, self.private, made["sign_type"]), **made}

    def send(self, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        """POST as the official clients do: common parameters in the query, content in the body."""
        common = {name: value for name, value in fields.items() if name != "biz_content"}
        charset = fields.get("charset", "utf-8")
        body = urlencode({"biz_content": fields.get("biz_content", "")}, encoding=charset)
        response = HTTP.post(
            f"{self.url}?{urlencode(common, encoding=charset)}", content=body,
            headers={"Content-Type": f"application/x-www-form-urlencoded;charset={charset}"}
            | dict(headers or {}),
        )
        return self.read(response, fields)

    def read(self, response: httpx.Response, fields: Mapping[str, str]) -> Answer:
        """Check the answer's signature over its raw node."""
        charset = response.headers["content-type"].rpartition("=")[2]
        text = response.content.decode(charset)
        root = json.loads(text)
        name = next(key for key in root if key.endswith("_response"))
        node, made = raw_node(text, name), root.get("sign")
        good = made is not None and signing.verify(
            node.encode(charset), made, self.channel_public, fields.get("sign_type", "RSA2")
        )
        return Answer(
            response.status_code, response.headers["content-type"], text, name, node, made, good
        )

    def call(self, method: str, biz: Mapping[str, Any], **more: str) -> dict[str, Any]:
        """The node of a call whose answer verifies."""
        answer = self.send(self.fields(method, biz, **more))
        assert answer.is_verified, answer.text
        return answer.node

    def paid(self, order_no: str, yuan: str = "12.00", **more: str) -> dict[str, Any]:
        """A bar-code payment."""
        biz = {
            "out_trade_no": order_no, "total_amount": yuan, "subject": "保温杯", "scene": "bar_code",
            "auth_code": "28763443825664394",
        }
        return self.call("alipay.trade.pay", biz, **more)

    def refund(self, order_no: str, yuan: str, number: str, **more: str) -> dict[str, Any]:
        """A refund."""
        biz = {"out_trade_no": order_no, "refund_amount": yuan, "out_request_no": number}
        return self.call("alipay.trade.refund", biz, **more)

    def query(self, order_no: str) -> dict[str, Any]:
        """A trade query."""
        return self.call("alipay.trade.query", {"out_trade_no": order_no})

    def control(self, name: str, document: Mapping[str, Any] | None = None) -> Any:
        """A control: POST with a document, GET without."""
        url = f"{self.url.removesuffix('/gateway.do')}/control/{name}"
        response = HTTP.get(url) if document is None else HTTP.post(url, json=document)
        assert response.status_code == 200, response.text
        return response.json()


@dataclass
class Heard:
    """A merchant's endpoint: bodies that came, and what it answers in turn (then `success`)."""

    url: str = ""
    bodies: list[tuple[float, str, str]] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    changed: Condition = field(default_factory=Condition)

    def wait(self, count: int, within_s: float = 5.0) -> list[tuple[float, str, str]]:
        """The first `count` bodies. Fails if they do not come in time."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.bodies) >= count, within_s), self.bodies
            return list(self.bodies[:count])


@pytest.fixture(scope="session")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every key and certificate."""
    folder = tmp_path_factory.mktemp("gateway") / "keys"
    make_keys(folder)
    return folder


@pytest.fixture(scope="session")
def keys(keys_folder: Path) -> GatewayKeys:
    return make_keys(keys_folder)


Start = Callable[..., Caller]


def fresh_gateway(keys: GatewayKeys) -> Gateway:
    """A gateway without trades, at noon."""
    return Gateway(keys, Ledger(100_000_00), clock=Clock(noon))


def client_of(url: str, keys: GatewayKeys, folder: Path) -> Caller:
    """A client of the gateway at this URL."""
    return Caller(url, keys, *_pair(folder))


@cache
def _pair(folder: Path) -> tuple[signing.PrivateKey, signing.PublicKey]:
    private = signing.read_private_key((folder / APP_PRIVATE).read_bytes())
    return private, signing.read_public_key((folder / CHANNEL_PUBLIC).read_bytes())


@pytest.fixture
def start(keys: GatewayKeys, keys_folder: Path) -> Iterator[Start]:
    """Start a gateway: `start(gateway?, **manners)`; it ends with the test."""
    with ExitStack() as stack:

        def run(gateway: Gateway | None = None, **manners: Any) -> Caller:
            made = gateway or fresh_gateway(keys)
            made.manners.change(manners)
            return client_of(stack.enter_context(Serving(made)).url, keys, keys_folder)

        yield run


@pytest.fixture(scope="session")
def serving(keys: GatewayKeys) -> Iterator[Serving]:
    """A gateway that many tests use in turn."""
    with Serving(fresh_gateway(keys)) as found:
        yield found


@pytest.fixture
def caller(serving: Serving, keys: GatewayKeys, keys_folder: Path) -> Caller:
    """A client of a gateway that knows of no trade and has good manners."""
    fresh, gateway = fresh_gateway(keys), serving.gateway
    gateway.ledger, gateway.plans = fresh.ledger, fresh.plans
    gateway.manners, gateway.clock = fresh.manners, fresh.clock
    return client_of(serving.url, keys, keys_folder)


_STARTED = monotonic()
_NOON = china_now().replace(hour=12, minute=0, second=0)


def noon() -> datetime:
    """Today from noon on, so that no test runs over midnight or before bills are ready."""
    return _NOON + timedelta(seconds=monotonic() - _STARTED)


@pytest.fixture
def merchant() -> Iterator[Heard]:
    """The merchant's server."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode("utf-8")
            with heard.changed:
                heard.bodies.append((monotonic(), self.headers["User-Agent"], body))
                answer = heard.answers.pop(0) if heard.answers else b"success"
                heard.changed.notify_all()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    heard.url = f"http://127.0.0.1:{server.server_port}/notify"
    yield heard
    server.shutdown()
    thread.join(5)
    server.server_close()


__all__ = ["HTTP", "Answer", "Caller", "Clock", "Heard", "Manners", "Start", "raw_node"]
