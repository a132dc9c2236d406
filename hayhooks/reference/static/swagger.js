"use strict";

// Swagger UI has dark colours, and leaves it to the page to ask for them.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const show = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", show);
show();

const place = document.getElementById("swagger-ui");
const folded = "folded" in place.dataset;
window.ui = SwaggerUIBundle({
  url: new URL(place.dataset.document, document.baseURI).href,
  domNode: place,
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: folded ? "none" : "list",
  defaultModelsExpandDepth: folded ? -1 : 0,
  // Unset, it is the address of a validator on another host.
  validatorUrl: null,
});
