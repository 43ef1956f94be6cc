// Package recipe reads, binds, validates, writes, compares and explains the
// recipe format that docs/recipe.md describes. It is pure: it opens no file,
// reads no source and runs no SQL.
//
// The way of a recipe is Parse, then Document.Bind with the values of its
// parameters, then Check against the columns of its sources. Every step finds
// all faults at once and says for each the field, the line, what is wrong and
// what to write instead.
package recipe
