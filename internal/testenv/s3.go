package testenv

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// S3Server is an S3 endpoint that checks signatures.
type S3Server struct {
	Endpoint  string // http://127.0.0.1:port, path-style addresses, no TLS
	Region    string
	AccessKey string
	SecretKey string // must not show in an error or a log

	process *process
}

// S3 returns the endpoint of this test process, which is started now if it does
// not run yet. It keeps objects as files.
func S3(t testing.TB) *S3Server {
	t.Helper()
	s, err := s3()
	if err != nil {
		t.Fatal(err)
	}
	s.process.showLog(t)
	return s
}

// Bucket creates an empty bucket and returns its name. It stays until the process ends.
func (s *S3Server) Bucket(t testing.TB) string {
	t.Helper()
	name := unique("kalla-test-")
	s.must(t, http.MethodPut, "/"+name, nil)
	return name
}

// URI names a prefix of a bucket, with the options but not the credentials that it takes to use it.
func (s *S3Server) URI(bucket, prefix string) string {
	return "s3://" + bucket + "/" + prefix + "?endpoint=" + url.QueryEscape(s.Endpoint) + "&region=" + s.Region + "&url_style=path"
}

// Put stores an object. Key may hold any character.
func (s *S3Server) Put(t testing.TB, bucket, key string, body []byte) {
	t.Helper()
	s.must(t, http.MethodPut, "/"+bucket+"/"+key, body)
}

// Get returns the content of an object.
func (s *S3Server) Get(t testing.TB, bucket, key string) []byte {
	t.Helper()
	return s.must(t, http.MethodGet, "/"+bucket+"/"+key, nil)
}

var s3 = sync.OnceValues(func() (*S3Server, error) {
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	server, err := program("versitygw", "run make setup, or go install github.com/versity/versitygw/cmd/versitygw@v1.8.0", filepath.Join(cache, "bin"))
	if err != nil {
		return nil, err
	}
	s := &S3Server{Region: "us-east-1", AccessKey: "KALLA" + rand.Text()[:15], SecretKey: rand.Text() + "+/" + rand.Text()[:12]}
	root := func(dir string) string { return filepath.Join(dir, "buckets") }
	endpoint := func(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }
	var port int
	s.process, port, err = launch(service{
		name:    "versitygw",
		signal:  "KILL",
		prepare: func(p *process) error { return os.Mkdir(root(p.dir), 0o700) },
		command: func(dir string, port int) []string {
			return []string{"env", "ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey,
				server, "--region", s.Region, "--port", "127.0.0.1:" + strconv.Itoa(port), "posix", root(dir)}
		},
		probe: func(port int) error {
			_, err := s.do(http.MethodGet, endpoint(port), "/", nil)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	s.Endpoint = endpoint(port)
	return s, nil
})

func (s *S3Server) must(t testing.TB, method, path string, body []byte) []byte {
	t.Helper()
	b, err := s.do(method, s.Endpoint, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// do sends one request, signed with AWS Signature Version 4, without a query.
func (s *S3Server) do(method, endpoint, path string, body []byte) ([]byte, error) {
	// S3 signs the path with every byte escaped but A-Z a-z 0-9 - _ . ~ and the slash.
	escaped := strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(path))
	req, err := http.NewRequest(method, endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.URL.Path, req.URL.RawPath = path, escaped
	now := time.Now().UTC()
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	hash := sha256Hex(body)
	req.Header.Set("X-Amz-Date", stamp)
	req.Header.Set("X-Amz-Content-Sha256", hash)
	const signed = "host;x-amz-content-sha256;x-amz-date"
	canonical := strings.Join([]string{method, escaped, "",
		"host:" + req.URL.Host, "x-amz-content-sha256:" + hash, "x-amz-date:" + stamp, "", signed, hash}, "\n")
	scope := day + "/" + s.Region + "/s3/aws4_request"
	key := []byte("AWS4" + s.SecretKey)
	for _, part := range []string{day, s.Region, "s3", "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	signature := hex.EncodeToString(hmacSHA256(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+sha256Hex([]byte(canonical))))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.AccessKey+"/"+scope+",SignedHeaders="+signed+",Signature="+signature)

	// One connection a request, so that none is left idle for goleak to find.
	client := http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	return answer, nil
}

func hmacSHA256(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

func sha256Hex(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
