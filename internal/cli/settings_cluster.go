package cli

import (
	"fmt"
	"strconv"

	"kalla/internal/cluster"
)

// clusterSettings are those of a scheduler with executors, and of these.
var clusterSettings = []setting{
	{key: keySchedHost, of: kalladProgram, flag: "scheduler-host", env: []string{"KALLA_SCHEDULER_HOST"}, def: "127.0.0.1", example: "HOST",
		help: "where an executor finds the scheduler"},
	{key: keySchedPort, of: kalladProgram, flag: "scheduler-port", env: []string{"KALLA_SCHEDULER_PORT"}, def: "50050", example: "PORT",
		help: "the scheduler's --grpc-port", check: checkPort},
	{key: keyFlightPort, of: kalladProgram, flag: "flight-port", env: []string{"KALLA_FLIGHT_PORT"}, def: "50051", example: "PORT",
		help: "port of an executor's worker", check: checkPort},
	{key: keyExtHost, of: kalladProgram, flag: "external-host", env: []string{"KALLA_EXTERNAL_HOST"}, def: "127.0.0.1", example: "HOST",
		help: "by which the other nodes of the cluster reach this one; any but this machine's own needs " + cluster.SecretEnv},
	{key: keyObjects, of: kalladProgram, flag: "storage", env: []string{"KALLA_STORAGE"}, example: "URI", mask: maskURI,
		help: "where the nodes of a cluster exchange data: s3://BUCKET/PREFIX?endpoint=URL&region=REGION&url_style=path"},
	{key: keyTrinoHome, of: kalladProgram, flag: "trino-home", env: []string{"KALLA_TRINO_HOME"}, example: "DIR",
		help: "folder of Trino " + cluster.Version + ": a scheduler with one starts a coordinator (default of an executor: where scripts/trino.sh puts it)"},
	{key: keyJavaHome, of: kalladProgram, env: []string{"KALLA_JAVA_HOME", "JAVA_HOME"},
		help: "folder of the JDK that Trino runs on (default: the newest below /usr/lib/jvm)"},
	{key: keyTrinoURL, of: kalladProgram, flag: "trino-url", env: []string{"KALLA_TRINO_URL"}, example: "URL",
		help: "coordinator of a cluster that exists, instead of --trino-home"},
	{key: keyTrinoUser, of: kalladProgram, env: []string{"KALLA_TRINO_USER"}, def: cluster.User,
		help: "who we are to the cluster of --trino-url"},
	{key: keyTrinoPass, of: kalladProgram, env: []string{"KALLA_TRINO_PASSWORD"}, mask: hide,
		help: "the password of that user"},
	{key: keyTrinoToken, of: kalladProgram, env: []string{"KALLA_TRINO_TOKEN"}, mask: hide,
		help: "a JSON Web Token, instead of a password"},
	{key: keyTrinoCA, of: kalladProgram, env: []string{"KALLA_TRINO_CA"},
		help: "file of certificates, in PEM, that the cluster's may come from"},
	{key: keySecret, of: kalladProgram, env: []string{cluster.SecretEnv}, mask: hide,
		help: "what all nodes of a cluster know and nobody else"},
	{key: keyPartitions, of: kalladProgram, flag: "partitions", env: []string{"KALLA_PARTITIONS", "BALLISTA_PARTITIONS"}, example: "N",
		help: "pieces that a source is read in, and tasks of a join, on a cluster (default: by its executors)", check: checkPartitions},
}

func checkPartitions(v string) error {
	if n, err := strconv.Atoi(v); err != nil || n < 1 || n > 1000 {
		return fmt.Errorf("%q is not a number of partitions from 1 to 1000", v)
	}
	return nil
}
