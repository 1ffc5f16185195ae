// Package etcd stores published texts in etcd, where a thousand replicas read them
// and are notified of every change:
//
//	store, err := etcd.OpenStore(ctx, etcd.Options{
//		Endpoints: []string{"https://etcd-1:2379", "https://etcd-2:2379", "https://etcd-3:2379"},
//		Workspace: "acme", Project: "shop", Environment: "production",
//	})
//	…
//	app := secret.NewApp(secret.AppOptions{Store: store})
//
// [Store] is a [secret.Store] that reports changes. [Publisher] is the target for
// package rotate and for `layer secret --to etcd://…`. etcd is not suitable for a
// ledger: it refuses values larger than 1.5 MiB.
//
// The text of a secret is the value of the key
// /layer/<workspace>/<project>/<environment>/<binding>. The publisher's note is
// the value of the same key with the suffix .note. Both are written in one
// transaction, and never under a lease: values do not expire when a writer ends.
// An empty part of the key keeps its slashes.
//
// A program needs permission to read the keys of its own secrets, and nothing
// else: grant its role these keys one by one, or the prefix. Values are stored
// unencrypted. They can be read from etcd's disk and its backups, so encrypt
// those, and use TLS between the members and for the clients.
//
// An App reads its secrets in one request. For more than 128 secrets that is one
// range, from the first key to the last. If the role may not read the range, or if
// the range holds over four keys for each secret, the store reads the keys in
// transactions of 128, and tries the range again after ten minutes. A Start with
// 1,000 secrets takes a fifth to a tenth of the time of 1,000 reads.
//
// Reads are linearizable: they ask a majority, and a read never returns an older
// value than an earlier read did. Pings check the connection. A watch ends within
// 30 seconds after its member freezes, is lost, or has no leader any more. Then an
// App watches another member and reads everything again.
package etcd
