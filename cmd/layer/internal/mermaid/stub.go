package mermaid

import "github.com/layeron-hq/secret"

func Mermaid(secret.Graph) string { return "" }
