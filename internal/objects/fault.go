package objects

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"kalla"
)

// IsNotExist reports whether an error says that there is no such object.
func IsNotExist(err error) bool {
	switch apiCode(err) {
	case "NoSuchKey", "NotFound":
		return true
	}
	return false
}

func apiCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// fault says why the bucket did not do what it was asked for, never with which credentials.
func (p *Prefix) fault(ctx context.Context, op, name string, err error) error {
	e := &kalla.Error{Code: kalla.CodeEvidence, Op: op, Where: p.where(name), Err: err}
	if ctx.Err() != nil {
		e.Code, e.Why, e.Err = kalla.CodeCanceled, "cancelled", context.Cause(ctx)
		return e
	}
	endpoint := p.src.Get("endpoint")
	if endpoint == "" {
		endpoint = "AWS, region " + p.src.Get("region")
	}
	const check = "check key_id, secret and region (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION), and what the key may do: s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload"
	var (
		dns      *net.DNSError
		network  net.Error
		response *awshttp.ResponseError
	)
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch code := apiCode(err); {
	case code == "NoSuchBucket":
		e.Why, e.Hint = "there is no bucket "+p.bucket, "create it, or check its name, the endpoint and the region"
	case IsNotExist(err):
		e.Why = "there is no such object"
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch", code == "ExpiredToken", code == "InvalidToken":
		e.Why, e.Hint = "the server does not accept the credentials ("+code+")", check
	case code == "AccessDenied", status == http.StatusForbidden, status == http.StatusUnauthorized:
		e.Why, e.Hint = "the server denies access", check
		if !p.src.Has("key_id") {
			e.Why += "; no credentials are given"
		}
	case code == "QuotaExceeded", status == http.StatusInsufficientStorage:
		e.Code, e.Why, e.Hint = kalla.CodeLimit, "the bucket is full", "make room in it, or choose another"
	case status == http.StatusMovedPermanently:
		e.Why, e.Hint = "the bucket is in another region than "+p.src.Get("region"), "write ?region=… or set AWS_REGION"
	case errors.As(err, &dns):
		e.Why, e.Hint = "there is no host "+dns.Name, "check the endpoint"
	case errors.As(err, &network) && network.Timeout():
		e.Why, e.Hint = endpoint+" did not answer in time", "check the network between this machine and the service"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.As(err, &network):
		e.Why, e.Hint = "the connection to "+endpoint+" failed or broke off", "check that the service runs and the network between, then run again"
	case code != "":
		e.Why = "the server refuses: " + code
	default:
		e.Why = p.src.Redact(err.Error())
	}
	return e
}
