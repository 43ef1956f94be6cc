package compute

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kalla"
	"kalla/internal/job"
	"kalla/internal/recipe"
	"kalla/internal/source"
)

// task is a request that has been understood: what runs.
type task struct {
	document *recipe.Document
	recipe   *kalla.Recipe
	sources  []located
	isText   bool                // the recipe came as a text, with lines of its own
	where    func(string) string // a path of the recipe → the path of the request
}

// located is a source, and the field of the request that says where it is.
type located struct {
	path   string
	source source.Source
}

// reader finds all that is wrong with a request.
type reader struct {
	env    func(string) (string, bool)
	faults kalla.Faults
}

func (r *reader) add(path, problem, hint string) {
	r.faults = append(r.faults, kalla.Fault{Path: path, Problem: problem, Hint: hint})
}

// read understands a request. All faults are found at once, with paths into the
// request; beside faults the task is what could be understood, or nil.
func read(req *job.Request, env func(string) (string, bool)) (*task, kalla.Faults) {
	r := &reader{env: env}
	r.envelope(req)
	var t *task
	switch given := len(req.Recipe) > 0 && !bytes.Equal(req.Recipe, []byte("null")); {
	case given && (req.MatchSQL != "" || len(req.Sources) > 0 || len(req.PrimaryKeys) > 0):
		r.add("recipe", "the job has both a recipe and match_sql, sources or primary_keys", "keep one: a recipe says all of it")
	case given:
		t = r.document(req)
	case req.MatchSQL == "" && len(req.Sources) == 0:
		r.add("recipe", "is missing", "send a recipe, or match_sql with sources and primary_keys")
	default:
		t = r.query(req)
	}
	if t != nil {
		r.sources(t)
	}
	return t, r.faults
}

// envelope checks what both forms have.
func (r *reader) envelope(req *job.Request) {
	switch {
	case req.RunID == "":
		r.add("run_id", "is missing", "give the run a name of its own, such as a UUID")
	case len(req.RunID) > 200 || !utf8.ValidString(req.RunID) || strings.ContainsFunc(req.RunID, unicode.IsControl):
		r.add("run_id", "is no name", "use at most 200 bytes of printable text")
	}
	if req.Attempt < 0 {
		r.add("attempt", "is negative", "count attempts from 0 or 1")
	}
	if req.Priority < 0 || req.Priority > lowestPriority {
		r.add("priority", fmt.Sprintf("%d is no priority", req.Priority), "write 1 (first) to 4 (last)")
	}
	r.word("engine", req.Engine, "auto", "duckdb", "trino")
	r.word("evidence", req.Evidence, "full", "keys", "none")
	scheme, _, isURI := strings.Cut(req.OutputPath, "://")
	switch {
	case req.OutputPath == "":
		r.add("output_path", "is missing", "name the folder of the evidence, such as /data/runs/a1b2c3d4, or s3://bucket/prefix")
	case isURI && !strings.EqualFold(scheme, "s3"):
		r.add("output_path", "evidence is written to a folder or to S3", "write /data/runs/a1b2c3d4 or s3://bucket/prefix")
	case !isURI && !filepath.IsAbs(req.OutputPath):
		r.add("output_path", "is a relative path, and the scheduler runs in a folder of its own", "write the whole path, beginning with /")
	}
}

func (r *reader) word(path, got string, words ...string) {
	if got != "" && !slices.Contains(words, got) {
		r.add(path, strconv.Quote(got)+" is not known", "write "+strings.Join(words[:len(words)-1], ", ")+" or "+words[len(words)-1])
	}
}

// document reads the form of a recipe.
func (r *reader) document(req *job.Request) *task {
	doc, isText, faults := parseRecipe(req.Recipe)
	t := &task{document: doc, isText: isText, where: func(path string) string {
		switch {
		case path == "":
			return "recipe"
		case strings.HasPrefix(path, "parameters."): // a value; a declaration is parameters[0]
			return path
		}
		return "recipe." + path
	}}
	if len(faults) == 0 {
		t.recipe, faults = bind(doc, req.Parameters)
	}
	if len(faults) > 0 {
		r.faults = append(r.faults, relocate(faults, t.where, isText)...)
		return nil
	}
	return t
}

// parseRecipe reads a recipe that came as a JSON object, or as a text of YAML.
func parseRecipe(raw json.RawMessage) (doc *recipe.Document, isText bool, faults kalla.Faults) {
	data := []byte(raw)
	var text string
	if isText = json.Unmarshal(raw, &text) == nil; isText {
		data = []byte(text)
	}
	doc, err := recipe.Parse(data, "recipe")
	return doc, isText, faultsOf(err)
}

func bind(doc *recipe.Document, params map[string]string) (*kalla.Recipe, kalla.Faults) {
	bound, err := doc.Bind(params)
	return bound, faultsOf(err)
}

func faultsOf(err error) kalla.Faults {
	faults, ok := errors.AsType[kalla.Faults](err)
	if err != nil && !ok {
		faults = kalla.Faults{{Problem: err.Error()}}
	}
	return faults
}

// relocate makes faults of a recipe those of a request. Only a recipe that was sent as a text has lines of its own.
func relocate(faults kalla.Faults, where func(string) string, lines bool) kalla.Faults {
	out := slices.Clone(faults)
	for i := range out {
		f := &out[i]
		f.Path = where(f.Path)
		if !lines {
			f.Line, f.Column = 0, 0
		}
		if strings.Contains(f.Hint, "--param ") {
			f.Hint = "give its value under parameters"
		}
	}
	return out
}

// query reads the form of the product's predecessor, and makes a recipe of it.
func (r *reader) query(req *job.Request) *task {
	if len(req.Parameters) > 0 {
		r.add("parameters", "belong to a recipe", "write the values into match_sql")
	}
	if req.MatchSQL == "" {
		r.add("match_sql", "is missing", "write one SELECT that joins left_src and right_src and gives both primary keys")
	}
	if len(req.Sources) < 2 {
		r.add("sources", fmt.Sprintf("a job compares two sources, this has %d", len(req.Sources)), "name the left source, then the right one")
		return nil
	}
	// The first is the left one, unless they are called otherwise.
	left, right := 0, 1
	if isNamed(req.Sources[0], rightSrc) || isNamed(req.Sources[1], leftSrc) {
		left, right = 1, 0
	}
	taken := map[string]bool{}
	for _, s := range req.Sources {
		taken[strings.ToLower(s.Alias)] = true
	}
	out := &kalla.Recipe{Version: 1, ID: "query", MatchSQL: req.MatchSQL}
	paths := map[string]string{}
	keys := maps.Clone(req.PrimaryKeys)
	side := func(i int, name, table string) kalla.Source {
		s := req.Sources[i]
		at := fmt.Sprintf("sources[%d]", i)
		paths["sources."+name] = at
		out := kalla.Source{Alias: ownAlias(s.Alias, name, table, taken), URI: s.URI}
		paths["sources."+name+".primary_key"], out.PrimaryKey = r.key(keys, s.Alias, table)
		for k, f := range s.Filters {
			filter, faults := f.Read(fmt.Sprintf("%s.filters[%d]", at, k))
			r.faults = append(r.faults, faults...)
			out.Filters = append(out.Filters, filter)
		}
		return out
	}
	out.Sources.Left, out.Sources.Right = side(left, "left", leftSrc), side(right, "right", rightSrc)
	for i, s := range req.Sources[2:] {
		at := fmt.Sprintf("sources[%d]", i+2)
		paths[fmt.Sprintf("extras[%d]", i)] = at
		if len(s.Filters) > 0 {
			r.add(at+".filters", "a lookup is read whole", "put the condition into match_sql")
		}
		delete(keys, s.Alias) // of a lookup no key is asked
		out.Extras = append(out.Extras, kalla.Extra{Alias: s.Alias, URI: s.URI})
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		r.add("primary_keys."+name, "no source is called so", "use the aliases of the sources, or left_src and right_src")
	}
	if len(r.faults) > 0 && req.MatchSQL == "" {
		return nil // the recipe would say again that it has no rule
	}
	t := &task{where: func(path string) string { return translate(path, paths) }}
	text, err := recipe.JSON(out)
	if err == nil {
		t.document, err = recipe.Parse(text, "job")
	}
	faults := faultsOf(err)
	if len(faults) == 0 {
		t.recipe, faults = bind(t.document, nil)
	}
	for _, f := range relocate(faults, t.where, false) {
		at := f.Path
		if strings.Contains(at, ".filters[") { // of a filter that is wrong nothing more is said
			at = at[:strings.LastIndexByte(at, '.')]
		}
		if !slices.ContainsFunc(r.faults, func(known kalla.Fault) bool { return known.Path == at || strings.HasPrefix(known.Path, at+".") }) {
			r.faults = append(r.faults, f)
		}
	}
	return t
}

// The tables of the two sources in match_sql, whatever their aliases.
const (
	leftSrc  = "left_src"
	rightSrc = "right_src"
)

func isNamed(s job.Source, table string) bool { return strings.EqualFold(s.Alias, table) }

// ownAlias is the alias of a side in the recipe. The names of the tables are no
// aliases there, but it is by them that match_sql names the sides in any case.
func ownAlias(alias, name, table string, taken map[string]bool) string {
	if !strings.EqualFold(alias, table) {
		return alias
	}
	for taken[name] {
		name += "_"
	}
	return name
}

// key takes the primary key of a side out of those that the request gives.
func (r *reader) key(keys map[string][]string, alias, table string) (path string, columns []string) {
	for _, name := range []string{alias, table} {
		given, ok := keys[name]
		if !ok {
			continue
		}
		delete(keys, name)
		if path != "" && !slices.Equal(columns, given) {
			r.add("primary_keys."+name, "differs from that of "+strings.TrimPrefix(path, "primary_keys."), "give the key of a source once")
			continue
		}
		path, columns = "primary_keys."+name, given
	}
	if path == "" {
		path = "primary_keys." + alias
	}
	return path, columns
}

// translate replaces the longest known beginning of a path.
func translate(path string, known map[string]string) string {
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if to, ok := known[path[:end]]; ok {
			return to + path[end:]
		}
	}
	return path
}

// sources finds where the sources are.
func (r *reader) sources(t *task) {
	if t.recipe == nil {
		return
	}
	add := func(path, uri, registered string, options map[string]string) {
		if uri == "" {
			if registered != "" {
				r.add(t.where(path+".source"), "the scheduler knows no registered sources", "write its uri")
			}
			return
		}
		at := t.where(path + ".uri")
		s, err := locate(uri, options, r.env)
		if err != nil {
			r.faults = append(r.faults, faultAt(at, err))
			return
		}
		t.sources = append(t.sources, located{at, s})
	}
	left, right := t.recipe.Sources.Left, t.recipe.Sources.Right
	add("sources.left", left.URI, left.Source, left.Options)
	add("sources.right", right.URI, right.Source, right.Options)
	for i, x := range t.recipe.Extras {
		add(fmt.Sprintf("extras[%d]", i), x.URI, "", x.Options)
	}
}

// locate parses the URI of a source, which must not depend on the folder that the service runs in.
func locate(uri string, options map[string]string, env func(string) (string, bool)) (source.Source, error) {
	s, err := source.Parse(uri, options, "", env)
	if err == nil {
		err = absolute(s)
	}
	return s, err
}

func absolute(s source.Source) error {
	if (s.Type == source.File || s.Type == source.SQLite) && !filepath.IsAbs(s.Path) {
		return &kalla.Error{Code: kalla.CodeSource, Op: "finding source", Where: s.Path,
			Why: "the path is relative, and the scheduler runs in a folder of its own", Hint: "write the whole path, beginning with /"}
	}
	return nil
}

// faultAt says of an error which field of the request it is about.
func faultAt(path string, err error) kalla.Fault {
	f := kalla.Fault{Path: path, Problem: err.Error()}
	if known, ok := errors.AsType[*kalla.Error](err); ok {
		bare := *known
		bare.Op = ""
		f.Problem, f.Hint = bare.Error(), known.Hint
	}
	return f
}

// digest is the same for two requests that ask for the same, whatever the
// attempt and whoever is to hear of it: who asks again may be elsewhere by now. It is made without credentials: a new password makes no other job,
// and nothing can be guessed from what is stored.
func (t *task) digest(req *job.Request) ([]byte, error) {
	text, err := recipe.JSON(recipe.Redact(t.recipe))
	if err != nil {
		return nil, err
	}
	all, err := json.Marshal([]string{string(text), shown(req.OutputPath), req.Engine, req.Evidence, strconv.Itoa(req.Priority)})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(all)
	return sum[:], nil
}

// shown is an output path without what may be a credential.
func shown(output string) string {
	if strings.Contains(output, "://") {
		output, _, _ = strings.Cut(output, "?")
	}
	return output
}

// redact takes the secrets of the sources out of a text.
func (t *task) redact(text string) string {
	for _, s := range t.sources {
		text = s.source.Redact(text)
	}
	return text
}
