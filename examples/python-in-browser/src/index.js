/** What is no file of this app is Edgewise's: so page and endpoint have one origin. */
export default {
  fetch: (request, env) => env.TEXT.fetch(request),
};
