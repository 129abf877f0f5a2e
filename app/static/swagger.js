"use strict";
// Same origin, whatever name the service is reached by: the document's own address decides where requests go.
window.addEventListener("load", async () => {
  const root = document.getElementById("swagger-ui").dataset.root;
  const reply = await fetch(`${root}/openapi.json`);
  const spec = await reply.json();
  spec.servers = [{ url: `${window.location.origin}${root}` }];
  window.ui = SwaggerUIBundle({ spec, dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false });
});
