package main

import (
	"log"

	"github.com/layeron-hq/secret"
)

var stripe = secret.Static(secret.Options{Namespace: "billing", Name: "stripe-secret"})

func main() {
	key, err := stripe.Current().Text()
	if err != nil {
		log.Fatal(err)
	}
	log.Println("started with", key)
}
