// Runs Workers in workerd for the Go tests: a JSON command a line on stdin, a JSON answer a line on stdout, "answer"
// before it: what Workers log stands there too. It ends with stdin.
import { createInterface } from "node:readline";
import { Miniflare } from "miniflare";

const running = new Map();
const ids = new Map(); // of stored secrets, by Worker and binding: the store's own names for them

const commands = {
  // Starts the Worker in a directory that holds all its modules. secrets maps bindings to names in the store, bindings
  // to plain texts.
  async start({ name, dir, main = "worker.mjs", secrets = {}, bindings = {}, durableObjects = {}, service }) {
    const mf = new Miniflare({
      name, host: "127.0.0.1", port: 0, compatibilityDate: "2026-04-01", cf: false, telemetry: { enabled: false },
      modules: true, rootPath: dir, modulesRoot: dir, scriptPath: main,
      modulesRules: [{ type: "ESModule", include: ["**/*.js", "**/*.mjs"] }, { type: "CompiledWasm", include: ["**/*.wasm"] }],
      secretsStoreSecrets: Object.fromEntries(Object.entries(secrets).map(
        ([binding, secret_name]) => [binding, { store_id: "0123456789abcdef0123456789abcdef", secret_name }])),
      bindings, durableObjects,
      serviceBindings: service ? { OUTSIDE: { external: { address: service, http: {} } } } : {},
    });
    running.set(name, mf);
    return String(await mf.ready);
  },
  // Stores a value: creates it the first time, then updates it.
  async put({ name, binding, value }) {
    const api = (await running.get(name).getSecretsStoreSecretAPI(binding))();
    const key = name + " " + binding;
    ids.set(key, ids.has(key) ? await api.update(value, ids.get(key)) : await api.create(value));
  },
  async delete({ name, binding }) {
    const api = (await running.get(name).getSecretsStoreSecretAPI(binding))();
    const key = name + " " + binding;
    await api.delete(ids.get(key));
    ids.delete(key);
  },
  async stop({ name }) {
    await running.get(name).dispose();
    running.delete(name);
    for (const key of ids.keys()) if (key.startsWith(name + " ")) ids.delete(key);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...options } = JSON.parse(line);
  let answer;
  try {
    answer = { result: await commands[command](options) };
  } catch (e) {
    answer = { error: e.stack };
  }
  process.stdout.write("answer " + JSON.stringify(answer) + "\n");
}
await Promise.all([...running.values()].map((mf) => mf.dispose()));
