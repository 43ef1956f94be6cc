package server

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"kalla/internal/server/auth"
	"kalla/internal/state"
)

func (s *Server) registerAudit(api huma.API) {
	huma.Register(api, operation("audit", http.MethodGet, "/api/audit", "list-audit", "Who changed what, newest first", auth.AuditRead), s.listAudit)
	huma.Register(api, operation("audit", http.MethodGet, "/api/audit/proof", "prove-audit", "Whether the audit log is whole", auth.AuditRead), s.proveAudit)
}

type auditQuery struct {
	Paging
	Actor  string `query:"actor" maxLength:"200" doc:"Id of a user, or system"`
	Action string `query:"action" maxLength:"200" doc:"Such as source.save or run.cancel"`
	Type   string `query:"object_type" maxLength:"200"`
	ID     string `query:"object_id" maxLength:"500"`
}

func (s *Server) listAudit(ctx context.Context, in *auditQuery) (*list[AuditEntry], error) {
	f := state.AuditFilter{ActorID: in.Actor, Action: in.Action, ObjectType: in.Type, ObjectID: in.ID, Limit: in.Limit}
	if in.Cursor != "" {
		n, err := strconv.ParseInt(in.Cursor, 10, 64)
		if err != nil || n < 1 {
			return nil, invalid("query.cursor", state.ErrCursor.Error(), "begin again without a cursor")
		}
		f.Before = n
	}
	entries, err := s.store.Entries(ctx, f)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out := make([]AuditEntry, len(entries))
	next := ""
	for i, e := range entries {
		name := e.ActorName
		if name == "" {
			name = e.ActorID
		}
		out[i] = AuditEntry{Seq: e.Seq, At: e.At, Actor: name, Address: e.Address, Action: e.Action, Type: e.ObjectType, ID: e.ObjectID,
			Detail: json.RawMessage(e.Detail), Hash: hex.EncodeToString(e.Hash)}
	}
	if len(entries) == in.Limit && entries[len(entries)-1].Seq > 1 {
		next = strconv.FormatInt(entries[len(entries)-1].Seq, 10)
	}
	return pageOf(&in.Paging, out, next), nil
}

func (s *Server) proveAudit(ctx context.Context, _ *none) (*body[AuditProof], error) {
	found, err := s.store.VerifyAudit(ctx)
	if err != nil {
		return nil, s.problem(ctx, err)
	}
	out := AuditProof{Whole: found.Broken == 0, Entries: found.Entries, Why: found.Why}
	if !out.Whole {
		out.Broken = &found.Broken
	}
	return &body[AuditProof]{out}, nil
}
