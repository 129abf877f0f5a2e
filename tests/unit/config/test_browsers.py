"""CORS_ORIGINS: origins exactly as browsers send them, or no start."""

import pytest

from app import config

SETTINGS = {
    "FLASK_ENV": "production",
    "SECRET_KEY": "kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO",
    "DATABASE_URL": "postgresql://latchkey@localhost/latchkey",
    "PUBLIC_URL": "https://auth.example.com",
}


def origins(text: str, **more: str) -> tuple[str, ...]:
    return config.load(SETTINGS | {"CORS_ORIGINS": text} | more, dotenv=None).browsers.cors_origins


def test_exact_origins_are_taken_as_they_are() -> None:
    listed = "https://app.example.com, https://app.example.com:8443,http://localhost:3000,http://[::1]:3000"
    assert origins(listed) == tuple(each.strip() for each in listed.split(","))
    assert origins("http://app.internal:3000", FLASK_ENV="development") == ("http://app.internal:3000",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("*", "cannot be *"),
        ("null", "cannot be null"),
        ("https://app.example.com,*", "cannot be *"),
        ("https://*.example.com", "without *"),
        ("https://app.example.com/", "set CORS_ORIGINS=https://app.example.com"),
        ("https://app.example.com/path", "set CORS_ORIGINS=https://app.example.com"),
        ("https://app.example.com?x", "set CORS_ORIGINS=https://app.example.com"),
        ("https://app.example.com:443", "set CORS_ORIGINS=https://app.example.com"),
        ("http://localhost:80", "set CORS_ORIGINS=http://localhost"),
        ("https://App.Example.com", "set CORS_ORIGINS=https://app.example.com"),
        ("https://ann:secret@app.example.com", "set CORS_ORIGINS=https://app.example.com"),
        ("https://app.example.com:99999", "port"),
        ("https://bücher.example", "xn--"),
        ("app.example.com", "https://"),
        ("file:///tmp", "https://"),
        ("http://app.example.com", "set CORS_ORIGINS=https://app.example.com"),
        ("https://", "a host"),
    ],
)
def test_anything_else_stops_the_start_with_the_line_to_set(text: str, told: str) -> None:
    with pytest.raises(config.ConfigurationError) as refused:
        origins(text)
    assert "CORS_ORIGINS" in str(refused.value)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)
