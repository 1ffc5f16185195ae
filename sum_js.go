package secret

import "github.com/layeron-hq/secret/internal/sha256"

func sum256(b []byte) [32]byte { return sha256.Sum(b) }
