package agent

import "context"

// Masks are tokens that stand for values towards the model.
type Masks map[string]string

func (t *turn) thinks() bool                { return false }
func (t *turn) think(context.Context) error { return nil }
