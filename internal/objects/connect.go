package objects

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"kalla/internal/source"
)

const (
	connectTimeout = 10 * time.Second
	// silence is how long a server may neither take nor give a byte.
	silence = 60 * time.Second
	// attempts is how often a request is sent in all when the server or the network fails.
	attempts = 4
)

// connect makes a client for the bucket of a source, and what frees its connections.
func connect(src source.Source) (*s3.Client, func()) {
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatient{conn}, nil
		},
		TLSHandshakeTimeout:   connectTimeout,
		ResponseHeaderTimeout: silence,
		IdleConnTimeout:       silence,
		MaxIdleConnsPerHost:   partsAtOnce * FilesAtOnce,
	}
	options := s3.Options{
		Region:      src.Get("region"),
		Credentials: aws.AnonymousCredentials{},
		HTTPClient:  &http.Client{Transport: transport},
		Retryer:     retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, 5*time.Second }),
		// Services other than AWS know no checksums in trailers. The signature
		// covers the SHA-256 of every body anyway.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if src.Has("key_id") {
		options.Credentials = credentials.NewStaticCredentialsProvider(src.Get("key_id"), src.Get("secret"), src.Get("session_token"))
	}
	if endpoint := src.Get("endpoint"); endpoint != "" {
		if !strings.Contains(endpoint, "://") {
			scheme := "https://"
			if src.Get("use_ssl") == "false" {
				scheme = "http://"
			}
			endpoint = scheme + endpoint
		}
		options.BaseEndpoint = aws.String(strings.TrimSuffix(endpoint, "/"))
		options.UsePathStyle = src.Get("url_style") != "vhost"
	} else {
		options.UsePathStyle = src.Get("url_style") == "path"
	}
	return s3.New(options), transport.CloseIdleConnections
}

// impatient is a connection that breaks when nothing moves on it for a while:
// a server that hangs is not waited for until the end of a job.
type impatient struct{ net.Conn }

func (c *impatient) Read(b []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c *impatient) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
