package recipes

import "github.com/layeron-hq/secret"

// recipe: library-program

// In the program:

var mailKey = secret.Static(secret.Options{Namespace: "mail", Name: "api-key"})

func newMailer() mailer { return mailer{key: mailKey.Current()} }

// end
