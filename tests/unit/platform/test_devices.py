"""The device of a session in words that its user knows."""

import pytest

from app.platform.devices import device_name

HTTP_LIBRARIES = {
    "curl/8.5.0": "curl",
    "Wget/1.21.4": "Wget",
    "HTTPie/3.2.2": "HTTPie",
    "python-requests/2.32.3": "Python Requests",
    "python-httpx/0.28.1": "Python HTTPX",
    "Python/3.11 aiohttp/3.9.5": "Python aiohttp",
    "Python-urllib/3.11": "Python urllib",
    "Go-http-client/2.0": "Go",
    "okhttp/4.12.0": "OkHttp",
    "axios/1.7.2": "axios",
    "node": "Node.js",
    "undici": "Node.js undici",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)": "Node.js fetch",
    "PostmanRuntime/7.39.0": "Postman",
    "Java-http-client/17.0.11": "Java HttpClient",
    "Java/1.8.0_402": "Java",
    "Apache-HttpClient/5.3.1 (Java/21.0.3)": "Apache HttpClient",
    "Dart/3.4 (dart:io)": "Dart",
    "RestSharp/110.2.0.0": "RestSharp",
    "rest-client/2.1.0 (linux x86_64) ruby/3.2.2p53": "rest-client on Linux",
    "OpenAPI-Generator/1.0.0/csharp": "OpenAPI-Generator",
}


@pytest.mark.parametrize(("user_agent", "name"), HTTP_LIBRARIES.items())
def test_an_http_library_is_called_by_its_name(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox on Linux"),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UD1A)", "Android"),
        ("Mozilla/5.0 (Windows NT 10.0) PowerShell/7.4.2", "Windows"),
    ],
)
def test_a_browser_is_called_by_its_name_and_its_system(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name


def test_a_program_that_nobody_has_heard_of_is_called_by_the_product_it_names() -> None:
    assert device_name("MyShop/3.2 (ann@example.com)") == "MyShop"


@pytest.mark.parametrize(
    "user_agent",
    ["", " ", "Mozilla/5.0", "evil.example/1", "https://evil.example", "<b>/1", "x" * 33, "\u00e4/1"],
)
def test_what_names_no_product_is_unknown(user_agent: str) -> None:
    assert device_name(user_agent) == "unknown"
