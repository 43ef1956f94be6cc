// Package web holds the built web app. The Go build needs no Node: without a
// built app it holds a page that says how to build one.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist unbuilt
var files embed.FS

// Built reports whether the app was built before this binary was.
func Built() bool {
	_, err := fs.Stat(files, "dist/index.html")
	return err == nil
}

// FS returns the files to serve, with index.html at the root. Names below
// assets/ carry a hash of their content and never change; every other file may.
func FS() fs.FS {
	dir := "unbuilt"
	if Built() {
		dir = "dist"
	}
	sub, err := fs.Sub(files, dir)
	if err != nil {
		panic(err) // both names are valid paths
	}
	return sub
}
