package source

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// FieldKind is the kind of value that a field takes.
type FieldKind string

// The kinds of fields.
const (
	TextField    FieldKind = "text"
	IntegerField FieldKind = "integer" // not negative
	BooleanField FieldKind = "boolean"
	ChoiceField  FieldKind = "choice"
)

// Field specifies one setting of a source type or a format. Forms, documentation,
// validation and redaction are all made from it.
type Field struct {
	Name        string    `json:"name"`
	Kind        FieldKind `json:"kind"`
	Choices     []string  `json:"choices,omitempty"`
	Required    bool      `json:"required,omitempty"`
	Secret      bool      `json:"secret,omitempty"`
	Default     string    `json:"default,omitempty"`
	Env         string    `json:"env,omitempty"` // environment variable that sets it when nothing else does
	Description string    `json:"description"`
}

// Fields returns the settings of a source type, without those of a format.
func Fields(t Type) []Field { return slices.Clone(typeFields[t]) }

// FormatFields returns the reading options of a format.
func FormatFields(f Format) []Field { return slices.Clone(formatFields[f]) }

func (s Source) fields() []Field {
	return append(Fields(s.Type), FormatFields(s.Format)...)
}

var formatField = Field{
	Name: "format", Kind: ChoiceField, Choices: []string{"csv", "parquet", "json", "ndjson", "xlsx"},
	Description: "how the file is written, where its extension does not say",
}

var compressionField = Field{
	Name: "compression", Kind: ChoiceField, Choices: []string{"none", "gzip", "zstd"},
	Description: "how the file is compressed, where its extension does not say",
}

var awsFields = []Field{
	{Name: "endpoint", Kind: TextField, Env: "AWS_ENDPOINT_URL", Description: "host and port of an S3-compatible service, with or without http://"},
	{Name: "region", Kind: TextField, Env: "AWS_REGION", Default: "us-east-1", Description: "region of the bucket"},
	{Name: "key_id", Kind: TextField, Env: "AWS_ACCESS_KEY_ID", Description: "access key"},
	{Name: "secret", Kind: TextField, Secret: true, Env: "AWS_SECRET_ACCESS_KEY", Description: "secret access key"},
	{Name: "session_token", Kind: TextField, Secret: true, Env: "AWS_SESSION_TOKEN", Description: "token of temporary credentials"},
	{Name: "use_ssl", Kind: BooleanField, Description: "false for an endpoint without TLS"},
	{Name: "url_style", Kind: ChoiceField, Choices: []string{"path", "vhost"}, Description: "path for most S3-compatible services, vhost for AWS"},
}

func databaseFields(name, port string, more ...Field) []Field {
	f := []Field{
		{Name: "host", Kind: TextField, Required: true, Description: "host name or address of the server"},
		{Name: "port", Kind: IntegerField, Default: port, Description: "port of the server"},
		{Name: "user", Kind: TextField, Description: "user to connect as"},
		{Name: "password", Kind: TextField, Secret: true, Description: "password of the user"},
		{Name: "database", Kind: TextField, Required: true, Description: "name of the database"},
		{Name: "table", Kind: TextField, Description: "table or view to read, with its schema: sales.invoices"},
		{Name: "query", Kind: TextField, Description: "a SELECT in " + name + "'s own SQL, instead of a table"},
	}
	return append(f, more...)
}

var typeFields = map[Type][]Field{
	File: {formatField, compressionField},
	S3:   append([]Field{formatField, compressionField}, awsFields...),
	GCS: {
		formatField, compressionField,
		{Name: "key_id", Kind: TextField, Env: "GCS_ACCESS_KEY_ID", Description: "HMAC key"},
		{Name: "secret", Kind: TextField, Secret: true, Env: "GCS_SECRET_ACCESS_KEY", Description: "HMAC secret"},
	},
	Azure: {
		formatField, compressionField,
		{Name: "account", Kind: TextField, Env: "AZURE_STORAGE_ACCOUNT", Description: "storage account"},
		{Name: "connection_string", Kind: TextField, Secret: true, Env: "AZURE_STORAGE_CONNECTION_STRING", Description: "connection string of the account"},
	},
	HTTP: {formatField, compressionField},
	Postgres: databaseFields("PostgreSQL", "5432",
		Field{Name: "sslmode", Kind: ChoiceField, Choices: []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, Description: "how TLS is used; prefer when empty"},
		Field{Name: "connect_timeout", Kind: IntegerField, Default: "10", Description: "seconds to wait for a connection"},
	),
	MySQL: databaseFields("MySQL", "3306",
		Field{Name: "ssl_mode", Kind: ChoiceField, Choices: []string{"disabled", "preferred", "required", "verify_ca", "verify_identity"}, Description: "how TLS is used; preferred when empty"},
	),
	SQLite: {
		{Name: "table", Kind: TextField, Description: "table or view to read"},
		{Name: "query", Kind: TextField, Description: "a SELECT in SQLite's own SQL, instead of a table"},
	},
}

var numberFields = []Field{
	{Name: "decimal", Kind: ChoiceField, Choices: []string{".", ","}, Default: ".", Description: "the decimal separator of numbers"},
	{Name: "thousands", Kind: ChoiceField, Choices: []string{".", ",", " ", "'", "_"}, Description: "the character between groups of three digits"},
}

var formatFields = map[Format][]Field{
	CSV: append([]Field{
		{Name: "delimiter", Kind: TextField, Description: "one character between fields, \\t for a tab; detected when not given"},
		{Name: "quote", Kind: TextField, Description: "the character around fields that hold delimiters, none for none; \" when not given"},
		{Name: "escape", Kind: TextField, Description: "the character before a quote inside a quoted field; the quote itself when not given"},
		{Name: "header", Kind: BooleanField, Description: "whether the first line names the columns; detected when not given, column0, column1, … without"},
		{Name: "skip", Kind: IntegerField, Default: "0", Description: "lines to leave out at the top of the file"},
		{Name: "comment", Kind: TextField, Description: "a character that starts lines to be left out"},
		{Name: "encoding", Kind: TextField, Default: "utf-8", Description: "utf-8, utf-16, latin-1, windows-1252 or another name of the web's encoding standard; utf-16 is detected by its byte order mark"},
		{Name: "null", Kind: TextField, Description: "a text that stands for no value, besides the empty field"},
	}, numberFields...),
	Parquet: {},
	JSON:    {},
	NDJSON:  {},
	XLSX: {
		{Name: "sheet", Kind: TextField, Description: "name of the sheet; the first when not given"},
		{Name: "range", Kind: TextField, Description: "cells to read: A3:F100"},
		{Name: "header", Kind: BooleanField, Default: "true", Description: "whether the first row names the columns"},
	},
}

// check returns why value does not fit the field, or "".
func (f Field) check(value string) string {
	switch f.Kind {
	case IntegerField:
		if n, err := strconv.Atoi(value); err != nil || n < 0 {
			return fmt.Sprintf("%s must be a whole number, 0 or more", f.Name)
		}
	case BooleanField:
		if value != "true" && value != "false" {
			return f.Name + " must be true or false"
		}
	case ChoiceField:
		if !slices.Contains(f.Choices, value) {
			quoted := make([]string, len(f.Choices))
			for i, c := range f.Choices {
				quoted[i] = strconv.Quote(c)
			}
			return f.Name + " must be one of " + strings.Join(quoted, ", ")
		}
	}
	return ""
}
