// npm oidc-client-ts as its documentation says; settings.json is written by tests/e2e/test_oidc_client_ts.py.
const request = new XMLHttpRequest();
request.open("GET", "settings.json", false);
request.send();
const manager = new oidc.UserManager(JSON.parse(request.responseText));
