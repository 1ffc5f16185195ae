// Package etcd keeps published texts in etcd, where a thousand replicas read them and hear of every change:
//
//	store, err := etcd.OpenStore(ctx, etcd.Options{
//		Endpoints: []string{"https://etcd-1:2379", "https://etcd-2:2379", "https://etcd-3:2379"},
//		Workspace: "acme", Project: "shop", Environment: "production",
//	})
//	…
//	app := secret.NewApp(secret.AppOptions{Store: store})
//
// [Store] is a [secret.Store] that tells of changes, [Publisher] the target to which package rotate, and `layer secret --to
// etcd://…`, publish. etcd is no place for a ledger: it refuses what is larger than 1.5 MiB.
//
// The text of a secret is the value of the key /layer/<workspace>/<project>/<environment>/<binding>, and what the publisher notes
// beside it that of the same key with .note at its end. Both are written in one transaction, and never under a lease: values do
// not end because a writer has gone. A part that is empty leaves its slashes.
//
// A program needs to read the keys of its own secrets, and nothing else: grant its role those keys one by one, or the prefix.
// Values are stored as they are. Whoever reads etcd's disk or its backups reads them, so encrypt those, and let members and
// clients talk over TLS.
//
// Reads are linearizable: they ask a majority, and what one returns is never older than what another has returned before. The
// connection is kept alive by pings, and a watch is ended where its member freezes, is lost, or has no leader any more: within 30
// seconds, after which an App watches another member and looks at everything anew.
package etcd
