import "./build/wasm_exec.js";
import program from "./build/worker.wasm";

let started = false;

export default {
  // One Go instance for all requests, started by the first: outside of requests workerd hands out no random numbers.
  fetch(request, env) {
    if (!started) {
      const go = new Go();
      go.run(new WebAssembly.Instance(program, go.importObject));
      started = true;
    }
    return new Promise((resolve) => layeronServe(request, env, resolve));
  },
};
