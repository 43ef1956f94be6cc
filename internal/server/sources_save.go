package server

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"kalla"
	"kalla/internal/problem"
	"kalla/internal/recipe"
	"kalla/internal/source"
	"kalla/internal/state"
)

// overtaken is how often a save begins again when somebody else was first, and it did not say what it changes.
const overtaken = 5

// saveSource registers a source, or changes the one of that alias. With expect
// it is a problem if that is not its revision.
func (s *Server) saveSource(ctx context.Context, in SourceInput, expect *int) (*state.Source, error) {
	for n := 1; ; n++ {
		src, err := s.trySource(ctx, in, expect)
		if errors.Is(err, state.ErrStale) {
			if expect == nil && n < overtaken {
				continue
			}
			return nil, changedMeanwhile(err)
		}
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return src, nil
	}
}

// changedMeanwhile is the problem of a change that does not fit what is there.
func changedMeanwhile(err error) error { return problem.Of(http.StatusPreconditionFailed, err, "") }

func (s *Server) trySource(ctx context.Context, in SourceInput, expect *int) (*state.Source, error) {
	save, old, err := s.readSource(ctx, in)
	if err != nil {
		return nil, err
	}
	revision := int64(0)
	if old != nil {
		revision = old.Revision
	}
	if expect != nil && int64(*expect) != revision && (*expect != anyVersion || old == nil) {
		return nil, &kalla.Error{Code: kalla.CodeUsage, Op: "saving the source", Where: in.Alias, Why: state.ErrStale.Error(), Err: state.ErrStale,
			Hint: "look at it again, then repeat the change"}
	}
	save.Expect = &revision
	src, err := s.store.SaveSource(ctx, save)
	if err == nil && old != nil && old.UploadID != "" && old.UploadID != src.UploadID {
		err = s.releaseUpload(ctx, old.UploadID, in.Alias)
	}
	return src, err
}

// readSource checks a source as it came, and gives it the secrets that the
// source of that alias has in place of those that came masked. That source is
// returned too, nil where there is none.
func (s *Server) readSource(ctx context.Context, in SourceInput) (state.SourceInput, *state.Source, error) {
	old, err := s.store.Source(ctx, in.Alias)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return state.SourceInput{}, nil, err
	}
	var stored state.Secret
	if old != nil {
		if stored, err = s.store.SourceSecret(ctx, in.Alias); err != nil {
			return state.SourceInput{}, nil, err
		}
	}
	save := state.SourceInput{Alias: in.Alias, Types: in.Types}
	var faults kalla.Faults
	add := func(path string, err error) {
		if known, ok := errors.AsType[*kalla.Error](err); ok {
			faults = append(faults, kalla.Fault{Path: path, Problem: known.Why, Hint: known.Hint})
		}
	}
	_, wrong := recipe.ParseTypes("types", in.Types)
	faults = append(faults, wrong...)
	uri, options, err := source.Unmask(strings.TrimSpace(in.URI), in.Options, stored.URI, stored.Options)
	if err != nil {
		add("uri", err)
	} else {
		save.UploadID, err = s.keptUpload(uri, old)
		add("uri", err)
		switch {
		case err != nil:
		case save.UploadID != "":
			u, err := s.upload(ctx, save.UploadID)
			if err != nil {
				return state.SourceInput{}, nil, err
			}
			save.Type = s.storageType()
			faults = append(faults, s.readableUpload(u, options)...)
		default:
			save.Type, err = typed(uri, in.SourceType)
			add("source_type", err)
			add("uri", readable(uri, options))
		}
	}
	if len(faults) > 0 {
		return state.SourceInput{}, nil, &kalla.Error{Code: kalla.CodeSource, Op: "saving the source", Where: in.Alias, Err: faults}
	}
	save.URI, save.Options = source.Mask(uri, options)
	save.Secret = &state.Secret{URI: uri, Options: options}
	return save, old, nil
}

// keptUpload is the upload that a URI names. Only the source that was made of it
// may name it: an upload is its owner's until it is kept.
func (s *Server) keptUpload(uri string, old *state.Source) (string, error) {
	id, ok := s.uploadID(uri)
	if !ok {
		return "", nil
	}
	if old == nil || old.UploadID != id {
		return "", &kalla.Error{Code: kalla.CodeSource, Op: "saving the source", Why: "it is an upload, which becomes a source by being kept",
			Hint: "POST /api/uploads/" + id + "/keep with the alias"}
	}
	return id, nil
}

// typed is the type of a source. What is asked for must agree with the URI;
// clients of the product's predecessor name the format of a file instead.
func typed(uri, asked string) (source.Type, error) {
	t, known := source.TypeOf(uri)
	word := strings.ToLower(asked)
	named, ok := source.TypeOf(word + "://x")
	fail := func(why, hint string) (source.Type, error) {
		return "", &kalla.Error{Code: kalla.CodeSource, Op: "saving the source", Why: why, Hint: hint}
	}
	switch {
	case asked == "" && known, known && !t.IsDatabase() && slices.Contains(source.Formats(), source.Format(word)):
		return t, nil
	case asked == "":
		return fail("the URI does not tell the type", "write source_type: file, s3, gs, az, http, postgres, mysql or sqlite")
	case !ok:
		return fail("there is no type of this name", "leave it out, or write file, s3, gs, az, http, postgres, mysql or sqlite")
	case known && named != t:
		return fail("the URI is that of a "+string(t)+" source", "leave source_type out, or write "+string(t))
	}
	return named, nil
}

// readable says what is wrong with a URI as far as it shows without opening
// it. What ${NAME} stands for only the scheduler knows.
func readable(uri string, options map[string]string) error {
	references := strings.Contains(uri, "${")
	for _, value := range options {
		references = references || strings.Contains(value, "${")
	}
	if references {
		return nil
	}
	src, err := source.Parse(uri, options, "", func(string) (string, bool) { return "", false })
	if err != nil {
		return err
	}
	if (src.Type == source.File || src.Type == source.SQLite) && !filepath.IsAbs(src.Path) {
		return &kalla.Error{Code: kalla.CodeSource, Op: "saving the source", Why: "the path is relative, and the scheduler runs in a folder of its own", Hint: "write the whole path, beginning with /"}
	}
	return nil
}
