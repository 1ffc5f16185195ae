package secret

import "github.com/layeron-hq/secret/internal/family"

func init() {
	family.Of = func(s any) *family.Family { return s.(*Secret).declaration().family }
}
