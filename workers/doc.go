// Package workers reads secrets inside a Cloudflare Worker: the same
// declarations, from the Worker's bindings. It has something to export where
// GOOS is js; elsewhere it is empty.
//
//	var sessionKey = secret.Random(secret.Options{Namespace: "auth", Name: "session-key", Bytes: 32})
//
//	store := workers.Bindings(env) // the env argument of the Worker's fetch
//	key, err := sessionKey.With(store).Current().Bytes()
//
// # From nothing to a deployed Worker
//
// You need Go, Node and npm. examples/worker has a Worker, its configuration
// and the few lines of JavaScript that start Go.
//
//	git clone https://github.com/layeron-hq/secret && cd secret/examples/worker
//	npm install wrangler@4
//	export STORE=0123456789abcdef0123456789abcdef    # any will do on this machine
//	openssl rand -base64 32 | npx wrangler secrets-store secret create $STORE --name session-key --scopes workers
//	openssl rand -base64 32 | npx wrangler secrets-store secret create $STORE --name encryption-key --scopes workers
//	npx wrangler dev --ip 127.0.0.1                  # builds, and serves; from another shell:
//	curl 'http://127.0.0.1:8787/session/new?user=ann'
//
// From here on an account is needed: find its store, put that id into
// wrangler.jsonc and into STORE, create both secrets again, with --remote, and
// deploy.
//
//	npx wrangler login
//	npx wrangler secrets-store store list --remote
//	npx wrangler deploy
//
// # Bindings
//
// A secret is read from the binding of its own name. The binding must be in
// wrangler's configuration, and again in each env.* block, which inherits none:
//
//	"secrets_store_secrets": [{ "binding": "LAYERON_SECRET_AUTH_SESSION_KEY", "store_id": "…", "secret_name": "…" }]
//
// A string under the same name is accepted too: a plain secret of the Worker,
// or a line of .dev.vars.
//
// # An instance a request, or one for all
//
// An instance a request, as in examples/worker, is safe for every request: it
// may set timers, wait and fail. The Go runtime starts for each (see below).
//
// One instance for all requests answers sooner, and is for reads and
// computation. Start it with the first request, since workerd provides no
// random numbers before. Reads through [Bindings] work: each asks the binding
// within its own request, and [github.com/layeron-hq/secret.Ref.Text] sets no
// timer here. Timers do not work: workerd cancels the timers of a request when
// the request ends, and then Go waits for them in the next request. So use no
// time.Sleep, no context.WithTimeout, no ticker. An App refuses to start unless
// AppOptions.Refresh is negative, which turns off its background work. A
// request must not wait for the load of another request either: callers of
// Secret.Refresh and App.Refresh share a load, so use these with an instance a
// request. A function that JavaScript calls must not read, but start a
// goroutine that does.
//
// # How stale a read can be
//
// Without an App each read asks the binding, and no answer is kept: it is
// Cloudflare's answer at that place at that moment. Cloudflare decides how soon
// after a change the answer is the new value, so leave time between announcing
// a version and making it current. A plain secret of the Worker changes with a
// deployment. Under an App reads return the document of Start or of the last
// Refresh.
//
// # Workers in JavaScript
//
// A Worker in JavaScript with the same binding gets the whole stored text from
// env.X.get(), with all its versions. For a secret that is stored as JSON (see
// Options.Format) this returns the current one:
//
//	// current returns the version to use, { id, value, … }, of a document that is stored as JSON.
//	function current(text) {
//	  const { current, versions } = JSON.parse(text);
//	  const id = Object.hasOwn(versions, current) ? current : Object.keys(versions).at(-1);
//	  return { id, ...versions[id] };
//	}
//
//	const key = current(await env.LAYERON_SECRET_AUTH_SESSION_KEY.get());
//
// # What it costs
//
// Sizes after gzip -9, as a deployment counts them (a free plan takes 3 MB):
//
//	a Go Worker that answers a constant        767 KB
//	one that reads a secret's Text             868 KB, 101 more
//	examples/worker, with HMAC and AES-GCM   1,007 KB
//
// Times in workerd on a machine with two cores, medians:
//
//	first answer from the start of workerd on: 217 ms constant, 236 ms with a secret's Text (1.08 ×)
//	first answer of a workerd that has started: 39 ms constant, 43 ms with a secret's Text (1.12 ×)
//	a request with an instance of its own: 4.9 ms constant, 5.6 ms Text, 5.7 ms examples/worker
//	a request to a shared instance: 1.9 ms Text
//	one more read: 0.82 ms by [Bindings], 0.60 ms by await env.X.get() in JavaScript
//
// An instance's memory is 3.5 MB after a request of examples/worker, and is
// given back when its garbage is collected; workerd took 185 MB in all while 32
// requests at a time made 1,000 instances. A Worker has 128 MB for all that it
// does at one time. Where that or the time on the processor is short, share an
// instance.
//
// In a clone of the repository layer/e2e/run -bench . measures the times and
// the instance's memory, and go test -v -run Sizes ./workers the sizes.
package workers
