import "./build/wasm_exec.js";
import program from "./build/worker.wasm";

export default {
  // A Go instance for each request: what one request waits for is no other's business.
  fetch(request, env) {
    return new Promise((resolve, reject) => {
      const go = new Go();
      globalThis.layeronRequest = { request, env, resolve }; // main reads it before run returns
      go.run(new WebAssembly.Instance(program, go.importObject)).then(
        () => reject(new Error("the Go program ended without an answer")), reject);
    });
  },
};
