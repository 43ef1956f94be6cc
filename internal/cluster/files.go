package cluster

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// properties are the settings of a file that Trino reads.
type properties map[string]string

// encode writes them in order, so that a file changes only where a setting does.
func (p properties) encode() []byte {
	// The format has escapes, and line ends are the end of a value.
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", key, escape.Replace(p[key]))
	}
	return []byte(b.String())
}

// writeFiles writes what the node reads when it starts. The files hold the
// credentials of the storage, so only this user may read them.
func (c *NodeConfig) writeFiles() error {
	rules, err := c.rules()
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"config.properties":           c.config().encode(),
		"catalog/kalla.properties":    c.catalog().encode(),
		"exchange-manager.properties": c.exchange().encode(),
		"access-control.properties":   properties{"access-control.name": "file", "security.config-file": c.file("rules.json")}.encode(),
		"rules.json":                  rules,
		"jwt.key":                     []byte(base64.StdEncoding.EncodeToString(c.Secret.Key("queries"))),
		// It prints each of its several hundred settings.
		"log.properties": properties{"Bootstrap": "WARN"}.encode(),
	}
	for _, dir := range []string{c.file("catalog"), c.temp()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := os.WriteFile(c.file(name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *NodeConfig) file(name string) string { return filepath.Join(c.Dir, "etc", name) }

func (c *NodeConfig) temp() string { return filepath.Join(c.Dir, "tmp") }

func (c *NodeConfig) config() properties {
	heap := c.heap()
	p := properties{
		"coordinator":              strconv.FormatBool(c.Coordinator),
		"node.environment":         "kalla",
		"node.id":                  c.ID,
		"node.internal-address":    c.Host,
		"discovery.uri":            c.Discovery,
		"http-server.http.port":    strconv.Itoa(c.Port),
		"catalog.config-dir":       c.file("catalog"),
		"plugin.dir":               filepath.Join(c.Home, "plugin"),
		"log.console-format":       "JSON",
		"log.levels-file":          c.file("log.properties"),
		"shutdown.grace-period":    "5s", // in which the coordinator sees that no more tasks are taken
		"query.client.timeout":     "1m", // after which a query ends whose scheduler is gone
		"query.max-history":        "50",
		"query.min-expire-age":     "1m",
		"deprecated.regex-library": "RE2J", // the language of the embedded engine's expressions

		// Queries need a token, which the scheduler makes: see trinoTransport.
		"http-server.authentication.type":         "JWT",
		"http-server.authentication.jwt.key-file": c.file("jwt.key"),
		"http-server.process-forwarded":           "true",
		"internal-communication.shared-secret":    hex.EncodeToString(c.Secret.Key("nodes")),

		// A lost worker costs its tasks, not the query. A task may take half of what a node has for queries.
		"retry-policy":                                     "TASK",
		"memory.heap-headroom-per-node":                    megabytes(heap / 4),
		"query.max-memory-per-node":                        megabytes(heap * 6 / 10),
		"query.max-memory":                                 "1000TB", // the nodes' limit counts
		"query.max-total-memory":                           "1000TB",
		"fault-tolerant-execution-task-memory":             megabytes(heap * 3 / 10),
		"fault-tolerant-execution-coordinator-task-memory": megabytes(heap / 10),
	}
	if loopback(c.Host) {
		p["node.bind-ip"] = "127.0.0.1"
	}
	if c.Coordinator {
		p["web-ui.enabled"] = "false"
		p["node-scheduler.include-coordinator"] = "false"
		p["query-manager.required-workers-max-wait"] = "1s" // Trino's 5 minutes look like a hang
	}
	return p
}

func (c *NodeConfig) catalog() properties {
	p := c.s3("s3.")
	p["connector.name"] = "hive"
	p["fs.native-s3.enabled"] = "true"
	p["hive.metastore"] = "file"
	p["hive.metastore.catalog.dir"] = c.Storage.Path + "/tables"
	p["hive.storage-format"] = "PARQUET"
	p["hive.non-managed-table-writes-enabled"] = "true"
	return p
}

func (c *NodeConfig) exchange() properties {
	p := c.s3("exchange.s3.")
	p["exchange-manager.name"] = "filesystem"
	p["exchange.base-directories"] = c.Storage.Path + "/exchange"
	return p
}

// s3 are the settings for the storage of a part of Trino, whose settings begin so.
func (c *NodeConfig) s3(prefix string) properties {
	p := properties{
		prefix + "region":         c.Storage.Get("region"),
		prefix + "aws-access-key": c.Storage.Get("key_id"),
		prefix + "aws-secret-key": c.Storage.Get("secret"),
	}
	if e := endpoint(c.Storage); e != "" {
		p[prefix+"endpoint"] = e
		p[prefix+"path-style-access"] = strconv.FormatBool(c.Storage.Get("url_style") != "vhost")
	} else {
		p[prefix+"path-style-access"] = strconv.FormatBool(c.Storage.Get("url_style") == "path")
	}
	return p
}

// rules let nobody but our own user do anything.
func (c *NodeConfig) rules() ([]byte, error) {
	return json.Marshal(map[string]any{
		"catalogs":           []any{map[string]any{"user": User, "allow": "all"}},
		"system_information": []any{map[string]any{"user": User, "allow": []string{"read", "write"}}},
	})
}

func megabytes(n int64) string { return strconv.FormatInt(n>>20, 10) + "MB" }
