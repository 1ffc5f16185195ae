import { DurableObject } from "cloudflare:workers";

// What the service declares: it finds them in its environment under the names that the bindings have here.
const secrets = ["LAYERON_SECRET_AUTH_SESSION_KEY"];

export class Service extends DurableObject {
  #started;

  async fetch(request) {
    try {
      await (this.#started ??= this.#start());
    } catch (e) {
      this.#started = undefined; // the next request tries again
      console.error(e.message);
      return new Response("try again later\n", { status: 503 });
    }
    return this.#port().fetch(new Request(request.url.replace(/^https:/, "http:"), request));
  }

  async #start() {
    const { container } = this.ctx;
    if (!container.running) {
      const env = {};
      for (const name of secrets) env[name] = await this.env[name].get();
      container.start({ env, enableInternet: false });
    }
    const ended = () => { this.#started = undefined };
    container.monitor().then(ended, ended);
    for (let tries = 1; ; tries++) {
      try {
        await (await this.#port().fetch("http://container/ready")).text();
        return;
      } catch (e) {
        if (tries == 100 || !container.running) throw e;
        await scheduler.wait(100); // it does not listen yet
      }
    }
  }

  #port() {
    return this.ctx.container.getTcpPort(8080);
  }
}

export default {
  fetch(request, env) {
    return env.SERVICE.get(env.SERVICE.idFromName("service")).fetch(request);
  },
};
