// Package recipes contains the code of docs/recipes.md, one recipe a file.
//
// The page shows the lines between "// recipe: NAME" and "// end". A test
// compares both, and another one takes each recipe through a rotation.
package recipes
