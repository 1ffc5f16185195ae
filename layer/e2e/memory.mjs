import "./build/wasm_exec.js";
import program from "./build/worker.wasm";

export default {
  // Answers with the memory that an instance has after it served the request.
  async fetch(request, env) {
    const go = new Go();
    const instance = new WebAssembly.Instance(program, go.importObject);
    const answer = new Promise((resolve) => { globalThis.layeronRequest = { request, env, resolve } });
    go.run(instance);
    await (await answer).text();
    return new Response(String(instance.exports.mem.buffer.byteLength));
  },
};
