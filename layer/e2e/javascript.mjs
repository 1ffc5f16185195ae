import { current } from "./current.mjs";

export default {
  // A Worker in JavaScript gets the whole stored document.
  async fetch(request, env) {
    const n = new URL(request.url).searchParams.get("n") ?? 1;
    let text = "";
    for (let i = 0; i < n; i++) text = await env.LAYERON_SECRET_AUTH_SESSION_KEY.get();
    return new Response(n == 1 ? JSON.stringify(current(text)) : text);
  },
};
