// Package server is the app: its HTTP API, the runs it hands to a scheduler
// and follows, uploads, sign-in, and the web app that it serves.
package server
