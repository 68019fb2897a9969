"""The sign-in pages and the guard, as a browser and as a stranger meet them."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.exceptions import StarletteDeprecationWarning
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.proto.BackMsg_pb2 import BackMsg

from dashboard import server
from dashboard.identity import codes, demo, sessions
from dashboard.identity.accounts import Accounts
from dashboard.identity.guard import Guard, Headers
from dashboard.identity.routes import SignInRoutes
from dashboard.identity.sessions import Sessions
from dashboard.identity.web import is_known_host, way_back
from dashboard.operations.ledger import Ledger, now
from dashboard.server import _is_automatic
from loaders.errors import ConfigurationError
from loaders.settings import Server, Settings, load_settings
from tests.conftest import run_mdash
from tests.identity.conftest import PASSWORD

with warnings.catch_warnings():
    # It would rather have a successor of httpx that nothing else here uses.
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

BASE = "http://127.0.0.1:8501"
STREAM = "ws://127.0.0.1:8501/_stcore/stream"
OVER, COOKIE = b"over", "mdash_8501"
BEHIND = ("/", "/overview", "/account", "/media/x.csv", "/component/x", "/_stcore/host-config",
          "/_stcore/upload_file/a/b", "/_stcore/metrics", "/_stcore/agent/interact", "/auth/login",
          "/oauth2callback", "/oidc", "/loginx", "/static", "/%6dedia/x")


async def secret(request: Request) -> Response:
    return PlainTextResponse("the numbers")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_bytes(await websocket.receive_bytes())
    except WebSocketDisconnect:
        pass


def client_of(ledger: Ledger, base: str = BASE, caller: str = "127.0.0.1") -> TestClient:
    """A browser before the pages, the guard, and something worth guarding."""
    settings = ledger.settings
    app = Starlette(
        routes=[
            *SignInRoutes(settings, ledger).routes(), WebSocketRoute("/_stcore/stream", echo),
            Route("/{path:path}", secret, methods=["GET", "POST", "PUT"]),
        ],
        middleware=[
            Middleware(Headers, settings=settings, scripts=["x"]),
            Middleware(
                Guard, settings=settings, ledger=ledger, over=OVER, is_automatic=_is_automatic
            ),
        ],
    )
    return TestClient(app, base, client=(caller, 50_000), follow_redirects=False)


@pytest.fixture
def browser(accounts: Accounts, ledger: Ledger) -> Iterator[TestClient]:
    with client_of(ledger) as made:
        yield made


def post(client: TestClient, path: str, page: str = "", **fields: str) -> Response:
    """A form sent as its page has it."""
    shown = client.get(page or path)
    token = re.search(r'name="token" value="(\w+)"', shown.text)
    assert token, shown.text
    headers = {"origin": str(client.base_url).rstrip("/")}
    return client.post(path, data={"token": token[1], **fields}, headers=headers)


def sign_in(client: TestClient, **fields: str) -> Response:
    return post(client, "/login", **{"name": "admin", "password": PASSWORD} | fields)


@pytest.mark.parametrize("path", BEHIND)
def test_a_stranger_gets_nothing(browser: TestClient, path: str) -> None:
    for method in ("GET", "POST", "PUT", "HEAD"):
        answer = browser.request(method, path)
        assert "numbers" not in answer.text
        assert answer.status_code in (303, 401)


@pytest.mark.parametrize("path", ["/login", "/static/js/x.js", "/notify/alipay", "/healthz", "/metrics",
                                  "/_stcore/health", "/favicon.png", "/sign-in/page.css"])
def test_what_is_open_is_open(browser: TestClient, path: str) -> None:
    assert browser.get(path).status_code == 200


def test_a_page_leads_to_signing_in_and_back(browser: TestClient) -> None:
    answer = browser.get("/failures?lang=en&client=ios")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Ffailures%3Flang%3Den%26client%3Dios"
    page = browser.get(answer.headers["location"])
    assert 'lang="en"' in page.text
    back = post(browser, "/login", answer.headers["location"], name="admin", password=PASSWORD,
                next="/failures?lang=en&client=ios")
    assert (back.status_code, back.headers["location"]) == (303, "/failures?lang=en&client=ios")
    assert browser.get("/failures").text == "the numbers"
    assert browser.get("/login").headers["location"] == "/"


@pytest.mark.parametrize("wanted", [
    "https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "",
    "/a\r\nSet-Cookie: x=1", "http:/evil", "/\t/evil.example", "/" + "a" * 5_000,
])
def test_the_way_back_is_always_ours(wanted: str) -> None:
    assert way_back(wanted) == "/"


def test_the_session_cookie_is_out_of_reach(browser: TestClient) -> None:
    cookie = next(value for value in sign_in(browser).headers.get_list("set-cookie")
                  if value.startswith(f"{COOKIE}="))
    assert re.fullmatch(COOKIE + r"=[\w-]{43}; HttpOnly; Path=/; SameSite=lax", cookie)


def test_over_https_the_cookie_is_the_hosts_own(accounts: Accounts, ledger: Ledger) -> None:
    ledger.settings.shop.dashboard_url = "https://pay.shop.example"
    with client_of(ledger, "https://pay.shop.example") as client:
        answer = sign_in(client)
        cookies = list(answer.headers.get_list("set-cookie"))
        assert any(value.startswith("__Host-mdash=") and "Secure" in value for value in cookies)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert client.get("/overview").text == "the numbers"
        plain = client.cookies.get("__Host-mdash")
        client.cookies.clear()
        client.cookies.set("mdash", plain)
        assert client.get("/overview").status_code == 303


def test_two_homes_of_one_machine_keep_their_sessions_apart(browser: TestClient) -> None:
    sign_in(browser)
    assert browser.get("/overview", headers={"host": "127.0.0.1:8502"}).status_code == 303
    assert browser.get("/overview").status_code == 200


def test_signing_in_changes_the_token(browser: TestClient, ledger: Ledger) -> None:
    planted = Sessions(ledger).begin("viewer")
    browser.cookies.set(COOKIE, planted, domain="127.0.0.1", path="/")
    browser.get("/logout")
    answer = post(browser, "/logout", "/logout")
    assert answer.status_code == 303
    assert Sessions(ledger).person(planted) is None


@pytest.mark.parametrize("headers", [
    {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9999"},
    {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
])
def test_a_form_from_elsewhere_is_refused(browser: TestClient, headers: dict[str, str]) -> None:
    token = re.search(r'name="token" value="(\w+)"', browser.get("/login").text)
    assert token
    data = {"token": token[1], "name": "admin", "password": PASSWORD}
    answer = browser.post("/login", data=data, headers=headers)
    assert answer.status_code == 400
    assert COOKIE not in browser.cookies


@pytest.mark.parametrize("token", ["", "0" * 64, "é"])
def test_a_form_without_its_token_is_refused(browser: TestClient, token: str) -> None:
    browser.get("/login")
    answer = browser.post("/login", data={"token": token, "name": "admin", "password": PASSWORD})
    assert answer.status_code == 400
    assert COOKIE not in browser.cookies


def test_a_long_form_is_refused(browser: TestClient) -> None:
    assert browser.post("/login", data={"name": "x" * 20_000}).status_code == 400


def test_a_wrong_password_is_said_and_not_shown_again(browser: TestClient) -> None:
    answer = sign_in(browser, password="<script>wrong</script>", name="<b>admin")
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert "wrong</script>" not in answer.text
    assert "&lt;b&gt;admin" in answer.text


def test_signing_out_takes_the_session(browser: TestClient) -> None:
    sign_in(browser)
    assert browser.get("/logout").status_code == 200
    assert browser.get("/overview").text == "the numbers"
    assert post(browser, "/logout").status_code == 303
    assert browser.get("/overview").status_code == 303


def test_a_new_password_ends_the_other_sessions(browser: TestClient, ledger: Ledger) -> None:
    other = Sessions(ledger).begin("admin")
    sign_in(browser)
    new = "a quite different one"
    wrong = post(browser, "/account", do="password", old="nonsense nonsense", password=new, again=new)
    assert wrong.status_code == 403
    differs = post(browser, "/account", do="password", old=PASSWORD, password=new, again=new + "x")
    assert differs.status_code == 400
    done = post(browser, "/account", do="password", old=PASSWORD, password=new, again=new)
    assert done.status_code == 303
    assert browser.get("/overview").text == "the numbers"
    assert Sessions(ledger).person(other) is None


def test_the_account_page_offers_a_second_factor(browser: TestClient) -> None:
    sign_in(browser)
    assert "data:image/svg+xml" in browser.get("/account?lang=en").text
    assert post(browser, "/account", do="everywhere").status_code == 303
    assert browser.get("/account").status_code == 303


def test_the_websocket_is_for_people_who_signed_in(browser: TestClient, ledger: Ledger) -> None:
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect(STREAM):
        pass
    sign_in(browser)
    for origin in ("https://evil.example", "http://127.0.0.1:9999", "null"):
        with (
            pytest.raises(WebSocketDisconnect),
            browser.websocket_connect(STREAM, headers={"origin": origin}),
        ):
            pass
    with browser.websocket_connect(STREAM, headers={"origin": BASE}) as socket:
        socket.send_bytes(b"click")
        assert socket.receive_bytes() == b"click"


def from_the_browser(*, automatic: bool) -> bytes:
    message = BackMsg()
    message.rerun_script.fragment_id = "progress"
    message.rerun_script.is_auto_rerun = automatic
    return bytes(message.SerializeToString())


def test_only_a_click_keeps_a_session_alive(
    browser: TestClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicked, anew = from_the_browser(automatic=False), from_the_browser(automatic=True)
    beat = BackMsg(app_heartbeat=True).SerializeToString()
    headers = {"origin": BASE, "cookie": f"{COOKIE}={Sessions(ledger).begin('viewer')}"}
    at, begun = now(), now()
    monkeypatch.setattr(sessions, "now", lambda: at)
    with browser.websocket_connect(STREAM, headers=headers) as socket:
        for minutes, message, answer in (
            (25, clicked, clicked), (50, anew, anew), (54, beat, beat), (56, anew, OVER),
            (56, clicked, OVER),
        ):
            at = begun + timedelta(minutes=minutes)
            socket.send_bytes(message)
            assert socket.receive_bytes() == answer


def test_a_click_after_the_end_of_a_session_is_not_taken(
    browser: TestClient, ledger: Ledger, accounts: Accounts
) -> None:
    boss = accounts.person("admin")
    token = Sessions(ledger).begin("viewer")
    headers = {"origin": BASE, "cookie": f"{COOKIE}={token}"}
    with browser.websocket_connect(STREAM, headers=headers) as socket:
        socket.send_bytes(b"click")
        assert socket.receive_bytes() == b"click"
        accounts.set_role(boss, "viewer", "analyst")
        socket.send_bytes(b"click under the old role")
        assert socket.receive_bytes() == OVER
        socket.send_bytes(b"click")
        assert socket.receive_bytes() == b"click"
        accounts.disable(boss, "viewer")
        for _ in range(2):
            socket.send_bytes(b"click")
            assert socket.receive_bytes() == OVER


def test_who_may_neither_load_nor_refund_uploads_nothing(
    browser: TestClient, ledger: Ledger
) -> None:
    for name, status in (("viewer", 403), ("analyst", 403), ("operator", 200), ("admin", 200)):
        cookie = {"cookie": f"{COOKIE}={Sessions(ledger).begin(name)}"}
        assert browser.put("/_stcore/upload_file/a/b", headers=cookie).status_code == status


@pytest.mark.parametrize(("host", "known"), [
    ("127.0.0.1:8501", True), ("localhost", True), ("[::1]:8501", True), ("192.168.1.9:8501", True),
    ("pay.shop.example", True), ("evil.example", False), ("", False), ("127.0.0.1/static/", False),
    ("localhost:8501@evil.example", False), ("127.0.0.1.evil.example", False),
])
def test_a_rebound_name_is_not_known(settings: Settings, host: str, known: bool) -> None:
    settings.shop.dashboard_url = "https://pay.shop.example/"
    assert is_known_host(settings, host) == known


def test_a_forged_host_opens_nothing(browser: TestClient) -> None:
    for host in ("evil.example", "127.0.0.1:8501/static/?", "127.0.0.1/login?"):
        answer = browser.get("/overview", headers={"host": host})
        assert (answer.status_code, "numbers" in answer.text) == (421, False)
    assert browser.post("/notify/alipay", headers={"host": "notify.shop.example"}).status_code == 200


@pytest.mark.parametrize("path", ["/login", "/overview", "/media/x", "/healthz", "/static/x.js"])
def test_every_answer_is_hardened(browser: TestClient, path: str) -> None:
    sign_in(browser)
    headers = browser.get(path).headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "strict-transport-security" not in headers
    if path in ("/login", "/media/x"):
        assert headers["cache-control"] == "no-store"


def test_the_first_start_makes_an_administrator_once(empty: Accounts, ledger: Ledger) -> None:
    with client_of(ledger) as client:
        assert client.get("/overview").headers["location"] == "/setup"
        assert client.get("/login").headers["location"].startswith("/setup")
        with ledger.transaction() as connection:
            code = codes.make(connection, "setup")
        fields = {"name": "omar", "password": PASSWORD, "again": PASSWORD}
        assert post(client, "/setup", code="wrong", **fields).status_code == 400
        assert post(client, "/setup", code=code, **fields).status_code == 303
        assert client.get("/overview").text == "the numbers"
        assert client.get("/setup").headers["location"].startswith("/login")
    assert empty.person("omar").may("administer")


def test_a_password_by_a_code(browser: TestClient, accounts: Accounts) -> None:
    code = accounts.reset(accounts.person("admin"), "viewer")
    new = "words of a viewer here"
    assert post(browser, "/password", code=code, password=new, again=new).status_code == 303
    assert sign_in(browser, name="viewer", password=new).status_code == 303


def demo_home(home: Path) -> Settings:
    home.mkdir(parents=True)
    (home / "demo-started").write_text("", "utf-8")
    settings = load_settings(home)
    demo.mark(settings)
    return settings


def test_the_demo_signs_in_each_role_with_one_click(tmp_path: Path) -> None:
    ledger = Ledger(demo_home(tmp_path / "demo"))
    with client_of(ledger) as client:
        for role in ("admin", "approver", "operator", "analyst", "viewer"):
            client.cookies.clear()
            assert post(client, "/demo", "/login", **{"as": role}).status_code == 303
            person = Sessions(ledger).person(client.cookies[COOKIE])
            assert person is not None
            assert (person.name, person.role.name) == (role, role)
        client.cookies.clear()
        assert post(client, "/demo", "/login", **{"as": "nobody"}).status_code == 403
    with client_of(ledger, caller="203.0.113.9") as client:
        assert "/demo" not in client.get("/login").text
        assert post(client, "/demo", "/login", **{"as": "admin"}).status_code == 403
    ledger.close()


def test_no_other_home_signs_in_with_one_click(browser: TestClient, ledger: Ledger) -> None:
    def refused() -> bool:
        browser.cookies.clear()
        return post(browser, "/demo", "/login", **{"as": "admin"}).status_code == 403

    home = ledger.settings.home
    assert refused()
    for name in ("demo-ready", "demo-started"):
        (home / name).write_text("", "utf-8")
    assert refused()
    demo.mark(ledger.settings)
    assert refused()


def test_a_demo_that_listens_beyond_this_machine_is_none(tmp_path: Path) -> None:
    settings = demo_home(tmp_path / "demo")
    assert demo.is_demo(settings)
    settings.server.address = "0.0.0.0"
    assert not demo.is_demo(settings)


def test_nothing_listens_beyond_this_machine_before_there_is_an_account(tmp_path: Path) -> None:
    from dashboard.server import _first_address

    settings = load_settings(tmp_path / "home")
    settings.server.address = "0.0.0.0"
    with pytest.raises(ConfigurationError):
        _first_address(settings, "http://127.0.0.1:1")
    file = tmp_path / "password"
    file.write_text(PASSWORD, "utf-8")
    ran = run_mdash(settings.home, "user", "add", "omar", "--role", "admin",
                    "--password-file", str(file))
    assert ran.code == 0
    assert _first_address(settings, "http://127.0.0.1:1") == "http://127.0.0.1:1"


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mdash.toml").write_text('[server]\naddress = "everywhere"\n', "utf-8")
    with pytest.raises(ConfigurationError):
        load_settings(tmp_path)


def test_only_named_proxies_say_who_asks(
    accounts: Accounts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Application:
        def run(self, **_: object) -> None:
            heard.append(os.environ.get("FORWARDED_ALLOW_IPS"))

    heard: list[str | None] = []
    monkeypatch.setattr(server, "application", lambda _: Application())
    monkeypatch.setattr(server, "configure", lambda: None)
    monkeypatch.setenv("MDASH_HOME", str(settings.home))
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "127.0.0.1")
    for named, trusted in (((), "127.0.0.1"), (("10.0.0.0/8", "192.0.2.7"), "10.0.0.0/8,192.0.2.7/32")):
        settings.server = Server(trusted_proxies=named)
        server.serve(settings, 8501, browser=False)
        assert heard.pop() == trusted
    with pytest.raises(ValueError, match="trusted_proxies"):
        Server(trusted_proxies=("everybody",))
