package secret

import "strings"

// nameOf returns the name of a constant: names stands in the constants' order.
func nameOf[T ~uint8](value T, names []string) string {
	if int(value) < len(names) {
		return names[value]
	}
	return "unknown"
}

func textOf[T ~uint8](value T, names []string) ([]byte, error) {
	if int(value) >= len(names) {
		return nil, because(ErrInvalid, "allowed is "+strings.Join(names, ", "))
	}
	return []byte(names[value]), nil
}

func readName[T ~uint8](value *T, text []byte, names []string) error {
	for i, name := range names {
		if name == string(text) {
			*value = T(i)
			return nil
		}
	}
	return because(ErrInvalid, "allowed is "+strings.Join(names, ", "))
}
