package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"

	"kalla"
)

const (
	// Version is the version of Trino that this package starts.
	Version = "476"
	minJava = 24 // of that version
)

// DefaultHome is where scripts/trino.sh puts Trino.
func DefaultHome() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "kalla", "trino-"+Version)
}

// checkHome says whether a folder holds the right version of Trino.
func checkHome(home string) error {
	bad := func(why, hint string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "finding Trino", Where: home, Why: why, Hint: hint}
	}
	const hint = "unpack trino-server-" + Version + " there (scripts/trino.sh does), or name its folder with --trino-home or KALLA_TRINO_HOME"
	found, err := filepath.Glob(filepath.Join(home, "lib", "io.trino_trino-main-*.jar"))
	switch {
	case runtime.GOOS != "linux":
		return bad("Trino is started on Linux only", "use a cluster that exists, with --trino-url")
	case err != nil || len(found) == 0:
		return bad("there is no Trino", hint)
	case filepath.Base(found[0]) != "io.trino_trino-main-"+Version+".jar":
		return bad("it holds another version of Trino: "+filepath.Base(found[0]), hint)
	}
	return nil
}

// findJava finds the program java of a JDK that Trino runs on: in the named
// home, or else the newest below /usr/lib/jvm, or else on the PATH.
func findJava(home string) (string, error) {
	const hint = "install Java 25 (Eclipse Temurin has packages for all systems) and name its folder with KALLA_JAVA_HOME or JAVA_HOME"
	bad := func(where, why string) error {
		return &kalla.Error{Code: kalla.CodeUsage, Op: "finding Java", Where: where, Why: why, Hint: hint}
	}
	if home != "" {
		switch version := javaVersion(home); {
		case version == 0:
			return "", bad(home, "there is no Java")
		case version < minJava:
			return "", bad(home, fmt.Sprintf("it holds Java %d, and Trino %s needs %d or later", version, Version, minJava))
		}
		return filepath.Join(home, "bin", "java"), nil
	}
	homes, _ := filepath.Glob("/usr/lib/jvm/*") // the pattern is right
	if path, err := exec.LookPath("java"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			homes = append(homes, filepath.Dir(filepath.Dir(path)))
		}
	}
	if len(homes) > 0 {
		newest := slices.MaxFunc(homes, func(a, b string) int { return javaVersion(a) - javaVersion(b) })
		if javaVersion(newest) >= minJava {
			return filepath.Join(newest, "bin", "java"), nil
		}
	}
	return "", bad("", fmt.Sprintf("there is no Java %d or later below /usr/lib/jvm or on the PATH, which Trino %s needs", minJava, Version))
}

var javaRelease = regexp.MustCompile(`(?m)^JAVA_VERSION="(\d+)`)

// javaVersion is the major version of a JDK, 0 where there is none.
func javaVersion(home string) int {
	if _, err := os.Stat(filepath.Join(home, "bin", "java")); err != nil {
		return 0
	}
	data, err := os.ReadFile(filepath.Join(home, "release"))
	if err != nil {
		return 0
	}
	found := javaRelease.FindSubmatch(data)
	if found == nil {
		return 0
	}
	version, _ := strconv.Atoi(string(found[1])) // digits
	return version
}
