"""The cookie that binds a visit to a provider to the browser that began it."""

from app.web.result import Cookie

PROVIDER_COOKIE = Cookie(
    "__Host-latchkey-provider",
    "Binds a login with a provider to the browser; `latchkey-provider` over http in development.",
    same_site="Lax",
)
