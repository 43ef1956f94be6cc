package trino

// DividePieces has results of a few rows divided.
func DividePieces() { leastRows = 2 }
