// Shows openapi.json with Swagger UI; every address is relative to the page's own.

// The class by which the viewer goes dark.
const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", shade);
shade();

SwaggerUIBundle({
  dom_id: "#reference",
  url: "openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  persistAuthorization: false, // a key stays in this page's memory
  validatorUrl: "none", // nobody elsewhere is asked
});
