import worker, { Service as Real } from "./service.mjs";

// Service is the example's, but its container is a process that the test runs, behind the binding OUTSIDE: there is no Docker here.
export class Service extends Real {
  constructor(ctx, env) {
    const outside = (path, body) => env.OUTSIDE.fetch("http://outside" + path, { method: "POST", body });
    let monitored;
    const container = {
      running: false,
      start({ env }) {
        if (container.running) throw new Error("start() cannot be called on a container that is already running.");
        container.running = true;
        monitored = outside("/start", JSON.stringify(env)).then(() => outside("/wait")).then(() => { container.running = false });
      },
      monitor: () => monitored,
      getTcpPort: (port) => ({
        fetch(input, init) {
          const request = new Request(input, init);
          if (!request.url.startsWith("http://")) throw new Error("HTTP only");
          return env.OUTSIDE.fetch(new Request(request, { headers: { "layeron-port": port } })).then((r) => {
            if (r.status == 502) throw new Error("container port not found. Make sure you exposed the port in your container definition.");
            return r;
          });
        },
      }),
    };
    Object.defineProperty(ctx, "container", { value: container });
    super(ctx, env);
  }
}

export default worker;
