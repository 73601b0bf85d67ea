/** Everything but this app's files is Edgewise's: so page and endpoint have one origin. */
export default {
  fetch: (request, env) => env.TEXT.fetch(request),
};
