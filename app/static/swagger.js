"use strict";
// Follow the system's colour scheme, also when it changes.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

window.addEventListener("load", async () => {
  const { root, keepsToken } = document.getElementById("swagger-ui").dataset;
  const home = new URL(`${root}/`, window.location.href).href.slice(0, -1);
  const reply = await fetch(`${home}/openapi.json`);
  const spec = await reply.json();
  // Same origin, under whatever name the service was reached: requests go where this page came from.
  spec.servers = [{ url: home }];
  window.ui = SwaggerUIBundle({
    spec,
    dom_id: "#swagger-ui",
    deepLinking: true,
    persistAuthorization: keepsToken !== undefined,
    responseInterceptor(response) {
      takeToken(response, spec);
      return response;
    },
  });
});

// A login on this page authorizes the requests after it.
function takeToken(response, spec) {
  const value = response.ok && response.obj?.data?.access_token;
  const schema = spec.components.securitySchemes.bearer;
  if (value && schema) window.ui.authActions.authorizeWithPersistOption({ bearer: { name: "bearer", schema, value } });
}
